// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of the display share. Nothing here is for the outside. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wayland-server-protocol.h>
#include <xkbcommon/xkbcommon.h>

#include "damage.h"
#include "display.h"
#include "wire.h"

/* An app may have that much; who asks for more is disconnected with a message. */
#define MOSS_MAX_CLIENTS 64
#define MOSS_MAX_SURFACES 1024      /* a client */
#define MOSS_MAX_POOLS 256          /* a client */
#define MOSS_MAX_ALL_POOLS 640      /* each is an open file of pid 1 */
#define MOSS_MAX_RESOURCES 20000    /* a client: whatever it makes */
#define MOSS_MAX_POOL_BYTES (1u << 30)
#define MOSS_MAX_REGION 64          /* operations of a region */
#define MOSS_MAX_CONNECTIONS 8
#define MOSS_MAX_BATCHES 3          /* sent to a viewer and not answered */
#define MOSS_MAX_KEYS 32            /* held at once */
#define MOSS_MAX_FINGERS 16
#define MOSS_MAX_MIME_TYPES 128
#define MOSS_PING_MS 3000
#define MOSS_MOVED_MS 3000

typedef struct _MossClient MossClient;
typedef struct _MossPool MossPool;
typedef struct _MossBuffer MossBuffer;
typedef struct _MossSurface MossSurface;
typedef struct _MossSubsurface MossSubsurface;
typedef struct _MossXdgSurface MossXdgSurface;
typedef struct _MossSource MossSource;
typedef struct _MossConstraint MossConstraint;

/* ---- region.c ------------------------------------------------------------------------ */

typedef struct
{
  MossRect rect;
  bool subtract;
} MossRegionOp;

/* Additions and subtractions in their order; the last that covers a point decides. */
typedef struct
{
  bool infinite;
  unsigned n;
  MossRegionOp *ops; /* malloc'd */
} MossRegion;

void moss_region_clear (MossRegion *region);
void moss_region_copy (MossRegion *to, const MossRegion *from);
void moss_region_add (MossRegion *region, const MossRect *rect, bool subtract);
bool moss_region_contains (const MossRegion *region, double x, double y);
bool moss_region_covers (const MossRegion *region, int32_t width, int32_t height);
bool moss_region_equal (const MossRegion *a, const MossRegion *b);

/* ---- client.c ------------------------------------------------------------------------ */

struct _MossClient
{
  unsigned refs;
  struct wl_list link;
  MossDisplay *display;
  struct wl_client *client;
  struct wl_listener destroyed, resource_created;
  unsigned n_surfaces, n_pools, created;
  bool doomed;
  bool decorates; /* it speaks one of the decoration protocols */
};

MossClient *moss_client_get (struct wl_client *client);
MossClient *moss_client_ref (MossClient *client);
void moss_client_unref (MossClient *client);
void moss_client_init (MossDisplay *display);
/* Posts a fatal error that names what there was too much of. */
void moss_client_too_much (MossClient *client, const char *what);

/* ---- shm.c --------------------------------------------------------------------------- */

struct _MossPool
{
  unsigned refs;
  MossDisplay *display;
  MossClient *client; /* a reference */
  uint32_t id;        /* on the wire */
  int fd;
  uint32_t size;
  bool known;         /* to the viewer */
  struct wl_list link;
};

struct _MossBuffer
{
  unsigned refs;  /* memory */
  unsigned holds; /* whoever may still read it; at 0 the client gets it back */
  struct wl_resource *resource; /* NULL when the client destroyed it */
  MossPool *pool; /* NULL: one solid colour */
  int32_t offset, width, height, stride;
  uint32_t format;
  uint32_t solid; /* premultiplied ARGB */
};

void moss_shm_init (MossDisplay *display);
void moss_single_pixel_init (MossDisplay *display);
MossBuffer *moss_buffer_from_resource (struct wl_resource *resource);
MossBuffer *moss_buffer_ref (MossBuffer *buffer);
void moss_buffer_unref (MossBuffer *buffer);
/* A hold includes a reference. */
void moss_buffer_hold (MossBuffer *buffer);
void moss_buffer_drop (MossBuffer *buffer);
/* Whether its memory is really there. Else the client gets a protocol error. */
bool moss_buffer_check (MossBuffer *buffer);
/* Its memory was under way during a move and is lost. */
bool moss_buffer_is_lost (MossBuffer *buffer);

/* ---- surface.c ----------------------------------------------------------------------- */

typedef enum
{
  MOSS_ROLE_NONE,
  MOSS_ROLE_TOPLEVEL,
  MOSS_ROLE_POPUP,
  MOSS_ROLE_SUBSURFACE,
  MOSS_ROLE_CURSOR,
  MOSS_ROLE_DRAG_ICON,
} MossRole;

enum
{
  MOSS_STATE_BUFFER = 1 << 0,
  MOSS_STATE_OPAQUE = 1 << 1,
  MOSS_STATE_INPUT = 1 << 2,
  MOSS_STATE_SCALE = 1 << 3,
  MOSS_STATE_TRANSFORM = 1 << 4,
  MOSS_STATE_VIEWPORT = 1 << 5,
};

typedef struct
{
  uint32_t set;
  MossBuffer *buffer; /* pending: a reference; cached and current: a hold */
  int32_t dx, dy;
  MossDamage damage;        /* of the surface, logical */
  MossDamage damage_buffer; /* of the buffer */
  MossRegion opaque, input;
  int32_t scale, transform;
  struct
  {
    bool has_source;
    wl_fixed_t x, y, width, height;
    int32_t to_width, to_height; /* -1: not set */
  } view;
  struct wl_list frames; /* wl_callback resources */
} MossSurfaceState;

enum
{
  MOSS_DIRTY_SURFACE = 1 << 0,
  MOSS_DIRTY_TOPLEVEL = 1 << 1,
  MOSS_DIRTY_STACK = 1 << 2,
  MOSS_DIRTY_CONTENT = 1 << 3,
  MOSS_DIRTY_INPUT = 1 << 4,
  MOSS_DIRTY_ALL = 31,
};

/* One place in the order of a surface and its subsurfaces. */
typedef struct
{
  struct wl_list link;         /* in surface->stack */
  struct wl_list pending_link; /* in surface->pending_stack */
  MossSurface *surface;
} MossStackEntry;

struct _MossSurface
{
  struct wl_list link; /* display->surfaces */
  struct wl_resource *resource;
  MossDisplay *display;
  MossClient *client;
  uint32_t id;
  MossRole role;
  void *role_object; /* MossXdgSurface, MossSubsurface or NULL */
  bool mapped;       /* has a role that shows it, and content */
  bool announced;    /* the viewer knows of it */
  bool hidden;       /* the viewer says that nobody sees this toplevel */
  bool entered;      /* wl_surface.enter was sent */
  bool frame_wanted_sent;

  MossSurfaceState pending, current;
  MossDamage damage; /* not yet sent, in buffer pixels */
  int32_t width, height; /* logical */
  bool opaque;

  struct wl_list stack, pending_stack;
  MossStackEntry self;
  bool stack_changed;

  int32_t offset_x, offset_y; /* drag icons: summed up from attach and offset */

  uint32_t dirty;
  struct wl_list dirty_link; /* in display->dirty or empty */
  MossBuffer *sent; /* what the viewer shows: a hold */

  unsigned idle_inhibitors, shortcut_inhibitors;
  struct wl_resource *viewport, *fractional, *decoration, *kde_decoration;
  uint32_t kde_mode, decoration_mode;
  struct wl_signal destroyed; /* data: the surface */
};

void moss_compositor_init (MossDisplay *display);
MossSurface *moss_surface_from_resource (struct wl_resource *resource);
/* False and an error for the client when it has another role. */
bool moss_surface_set_role (MossSurface *surface, MossRole role,
                            struct wl_resource *error_on, uint32_t error);
void moss_surface_dirty (MossSurface *surface, uint32_t bits);
void moss_surface_update_mapped (MossSurface *surface);
/* The toplevel or popup (or cursor, icon) that shows it; may be itself or NULL. */
MossSurface *moss_surface_get_root (MossSurface *surface);
/* Toplevel at the end of the chain of popups, and where this surface lies in it. */
MossSurface *moss_surface_get_toplevel (MossSurface *surface, int32_t *x, int32_t *y);
MossSurface *moss_surface_get_parent (MossSurface *surface);
void moss_surface_get_offset (MossSurface *surface, int32_t *x, int32_t *y);
/* The subsurface or itself that takes input there; in and out: its coordinates. */
MossSurface *moss_surface_pick (MossSurface *surface, double *x, double *y);
/* Fires frame callbacks of a surface and its subsurfaces. */
void moss_surface_frame_done (MossSurface *surface, uint32_t time_ms);
bool moss_surface_wants_frame (MossSurface *surface);
void moss_surface_note_frame (MossSurface *surface);
void moss_surface_detach_addons (MossSurface *surface);
void moss_surface_enter_output (MossSurface *surface);
void moss_surface_state_init (MossSurfaceState *state);
void moss_surface_state_clear (MossSurfaceState *state);
/* from is emptied; both hold their buffers. */
void moss_surface_state_merge (MossSurfaceState *to, MossSurfaceState *from);
void moss_surface_apply (MossSurface *surface, MossSurfaceState *state);
MossSurface *moss_display_find_surface (MossDisplay *display, uint32_t id);
bool moss_surface_is_ancestor (MossSurface *of, MossSurface *maybe);

/* ---- subsurface.c -------------------------------------------------------------------- */

struct _MossSubsurface
{
  struct wl_resource *resource;
  MossSurface *surface, *parent; /* parent NULL when it went */
  struct wl_listener parent_destroyed;
  MossStackEntry entry;
  int32_t x, y, pending_x, pending_y;
  bool position_set, sync, has_cache, added;
  MossSurfaceState cache;
};

void moss_subcompositor_init (MossDisplay *display);
/* The surface's commit: true when the state went to the cache. */
bool moss_subsurface_commit (MossSurface *surface);
/* After a surface's own state was applied: positions, order, cached children. */
void moss_subsurface_parent_applied (MossSurface *parent);
void moss_subsurface_surface_destroyed (MossSurface *surface);
bool moss_subsurface_is_sync (MossSurface *surface);

/* ---- positioner.c: pure -------------------------------------------------------------- */

typedef struct
{
  int32_t width, height;
  MossRect anchor_rect;
  bool has_anchor_rect;
  uint32_t anchor, gravity, adjustment;
  int32_t dx, dy;
  bool reactive;
  int32_t parent_width, parent_height;
  uint32_t parent_serial;
} MossPositioner;

/* Both rectangles relative to the parent's window geometry. bounds NULL: no limits. */
MossRect moss_positioner_solve (const MossPositioner *positioner, const MossRect *bounds);

/* ---- xdg-shell.c, xdg-toplevel.c, xdg-popup.c ---------------------------------------- */

typedef struct
{
  struct wl_list link;
  uint32_t serial;
  uint32_t states;
  MossRect popup;
} MossConfigure;

struct _MossXdgSurface
{
  struct wl_list link; /* display->xdg_surfaces */
  struct wl_resource *resource, *shell, *role_resource;
  MossSurface *surface;
  bool initial_commit, configured, geometry_set, pending_geometry_set;
  MossRect geometry, pending_geometry;
  struct wl_list configures; /* sent and not acked */
  unsigned n_configures;
  struct wl_event_source *idle_configure;

  /* toplevel */
  char *title, *app_id;
  MossSurface *parent; /* toplevel: another toplevel */
  struct wl_listener parent_destroyed;
  bool parent_listening;
  int32_t min_width, min_height, max_width, max_height;
  int32_t pending_min_width, pending_min_height, pending_max_width, pending_max_height;
  int32_t width, height; /* wanted by the viewer */
  uint32_t states, acked_states, pending_states;
  bool resize_waits; /* for an ack */
  bool has_bounds;
  MossRect bounds; /* popups, in surface coordinates */

  /* popup */
  MossPositioner positioner;
  MossSurface *popup_parent;
  MossRect popup, popup_pending; /* relative to the parent's geometry */
  bool popup_pending_set, grabs, grabs_keys, dismissed;
  bool reposition;
  uint32_t reposition_token;
  struct wl_list grab_link; /* display->grabs, topmost first */
  bool mapped;

  /* whether its client answers */
  bool hangs;
};

typedef struct
{
  struct wl_list link; /* display->shells */
  struct wl_resource *resource;
  MossDisplay *display;
  uint32_t ping_serial;
  struct wl_event_source *timer;
  bool hangs;
} MossShell;

void moss_xdg_shell_init (MossDisplay *display);
/* Also one that has no role yet. */
MossXdgSurface *moss_xdg_find (MossSurface *surface);
MossXdgSurface *moss_surface_get_xdg (MossSurface *surface);
void moss_xdg_surface_committed (MossSurface *surface);
void moss_xdg_surface_surface_destroyed (MossSurface *surface);
void moss_xdg_schedule_configure (MossXdgSurface *xdg);
void moss_xdg_get_geometry (MossXdgSurface *xdg, MossRect *rect);
void moss_xdg_ping (MossXdgSurface *xdg);
MossConfigure *moss_xdg_new_configure (MossXdgSurface *xdg);
void moss_xdg_unmapped (MossXdgSurface *xdg);

void moss_xdg_get_toplevel (struct wl_client *client, struct wl_resource *resource,
                            uint32_t id);
void moss_toplevel_send_configure (MossXdgSurface *xdg, MossConfigure *configure);
void moss_toplevel_configure (MossXdgSurface *xdg, int32_t width, int32_t height,
                              uint32_t states);
bool moss_toplevel_committed (MossXdgSurface *xdg);
void moss_toplevel_close (MossXdgSurface *xdg);
bool moss_toplevel_server_decorated (MossSurface *surface);
void moss_toplevel_gone (MossXdgSurface *xdg);

void moss_xdg_get_popup (struct wl_client *client, struct wl_resource *resource,
                         uint32_t id, struct wl_resource *parent,
                         struct wl_resource *positioner);
void moss_popup_send_configure (MossXdgSurface *xdg, MossConfigure *configure);
void moss_popup_committed (MossXdgSurface *xdg);
void moss_popup_gone (MossXdgSurface *xdg);
void moss_popup_dismiss (MossXdgSurface *xdg);
void moss_popup_dismiss_all (MossDisplay *display);
void moss_popup_parent_changed (MossSurface *parent);
MossSurface *moss_popup_grabbing (MossDisplay *display);
MossSurface *moss_popup_grabbing_keys (MossDisplay *display);
void moss_positioner_create (struct wl_client *client, struct wl_resource *shell,
                             uint32_t id);
MossPositioner *moss_positioner_from_resource (struct wl_resource *resource);

/* ---- seat.c, pointer.c, keyboard.c, touch.c ------------------------------------------ */

typedef struct
{
  char *name;           /* CSS name, or NULL: surface */
  MossSurface *surface; /* NULL and name NULL: default */
  int32_t hot_x, hot_y;
  struct wl_listener surface_destroyed;
} MossCursor;

typedef struct
{
  bool down;
  int32_t id;
  MossSurface *surface;
  struct wl_client *client;
} MossFinger;

typedef struct
{
  struct wl_list pointers, keyboards, touches, seats; /* wl_resources */
  uint32_t capabilities;

  MossSurface *pointer; /* with pointer focus */
  struct wl_listener pointer_destroyed;
  double x, y; /* in it */
  unsigned n_buttons;
  uint32_t buttons[8];
  uint32_t button_serial, enter_serial;
  MossSurface *over; /* root that the viewer named last, with x, y in it */
  struct wl_listener over_destroyed;
  double over_x, over_y;
  MossCursor cursor;

  MossSurface *keyboard; /* with keyboard focus */
  struct wl_listener keyboard_destroyed;
  MossSurface *wanted; /* focus that the viewer set */
  struct wl_listener wanted_destroyed;
  uint32_t keys[MOSS_MAX_KEYS];
  unsigned n_keys;
  uint32_t key_serial;
  struct xkb_context *xkb;
  struct xkb_keymap *keymap;
  struct xkb_state *state;
  int keymap_fd;
  uint32_t keymap_size;
  uint32_t depressed, latched, locked, group;
  uint32_t repeat_rate, repeat_delay;

  struct wl_list constraints, relatives; /* MossConstraint, wl_resources */
  MossConstraint *constraint;            /* in force, or NULL */

  MossFinger fingers[MOSS_MAX_FINGERS];
  uint32_t touch_serial;
} MossSeat;

void moss_seat_init (MossDisplay *display);
void moss_seat_fini (MossDisplay *display);
void moss_seat_reset (MossDisplay *display);
void moss_seat_surface_unmapped (MossSurface *surface);
void moss_seat_add_capability (MossDisplay *display, uint32_t capability);
/* Whether a serial is of an input event that this client got lately. */
bool moss_seat_serial_valid (MossDisplay *display, struct wl_client *client,
                             uint32_t serial);

void moss_pointer_create (struct wl_client *client, struct wl_resource *seat, uint32_t id);
void moss_pointer_motion (MossDisplay *display, MossSurface *root, double x, double y,
                          uint32_t time);
/* While it is locked. */
void moss_pointer_relative (MossDisplay *display, double dx, double dy, uint32_t time);
void moss_pointer_leave (MossDisplay *display);
void moss_pointer_button (MossDisplay *display, uint32_t button, bool pressed,
                          uint32_t time);
void moss_pointer_axis (MossDisplay *display, wl_fixed_t dx, wl_fixed_t dy,
                        int32_t steps_x, int32_t steps_y, uint32_t source, uint32_t time);
void moss_pointer_refocus (MossDisplay *display);
void moss_pointer_set_focus (MossDisplay *display, MossSurface *surface, double x, double y);
void moss_pointer_release_all (MossDisplay *display);
void moss_pointer_set_cursor_name (MossDisplay *display, const char *name);
void moss_cursor_shape_init (MossDisplay *display);

/* ---- constraint.c -------------------------------------------------------------------- */

typedef struct
{
  uint32_t mode;     /* MOSS_WIRE_POINTER_… */
  MossSurface *root; /* whose coordinates they are, NULL: free */
  double x, y;       /* where the pointer shall be once it is let go */
} MossConstraintState;

void moss_constraint_init (MossDisplay *display);
/* After pointer or keyboard focus, the pointer's place or a drag changed. */
void moss_constraint_update (MossDisplay *display);
void moss_constraint_committed (MossSurface *surface);
void moss_constraint_get (MossDisplay *display, MossConstraintState *state);
bool moss_constraint_locks (MossDisplay *display);
/* Keeps a place in the focused surface inside of what confines the pointer. */
void moss_constraint_clamp (MossDisplay *display, double *x, double *y);
/* How far the pointer went, to who wants to know that. */
void moss_pointer_send_relative (MossDisplay *display, double dx, double dy, uint32_t time);

void moss_keyboard_create (struct wl_client *client, struct wl_resource *seat, uint32_t id);
bool moss_keyboard_set_keymap (MossDisplay *display, const char *text, size_t size);
void moss_keyboard_key (MossDisplay *display, uint32_t key, bool pressed, uint32_t time);
void moss_keyboard_modifiers (MossDisplay *display, uint32_t depressed, uint32_t latched,
                              uint32_t locked, uint32_t group);
void moss_keyboard_repeat (MossDisplay *display, uint32_t rate, uint32_t delay);
void moss_keyboard_want_focus (MossDisplay *display, MossSurface *surface);
void moss_keyboard_update_focus (MossDisplay *display);
void moss_keyboard_release_all (MossDisplay *display);

void moss_touch_create (struct wl_client *client, struct wl_resource *seat, uint32_t id);
void moss_touch_down (MossDisplay *display, MossSurface *root, int32_t finger, double x,
                      double y, uint32_t time);
void moss_touch_motion (MossDisplay *display, int32_t finger, double x, double y,
                        uint32_t time);
void moss_touch_up (MossDisplay *display, int32_t finger, uint32_t time);
void moss_touch_cancel (MossDisplay *display);

/* ---- selection.c, data-device.c, primary.c, drag.c ----------------------------------- */

typedef enum
{
  MOSS_SELECTION_CLIPBOARD,
  MOSS_SELECTION_PRIMARY,
  MOSS_N_SELECTIONS,
} MossSelection;

/* Something that can be pasted: a client's source, or what the viewer offers. */
struct _MossSource
{
  MossDisplay *display;
  struct wl_resource *resource; /* NULL: of the viewer */
  char **mime_types;
  unsigned n_mime_types;
  struct wl_list offers; /* MossOffer.link */
  bool used;             /* set as a selection or dragged */
  int selection;         /* MossSelection, or -1: a drag */
  bool primary;          /* the kind of its resource */
  uint32_t actions;
  bool actions_set;
  /* of a drag */
  uint32_t action;
  char *accepted;
  bool dropped, finished;
};

typedef struct
{
  struct wl_list link;
  struct wl_resource *resource;
  MossSource *source; /* NULL: withdrawn */
  bool primary, drag, finished;
  uint32_t actions, preferred;
} MossOffer;

MossSource *moss_source_new (MossDisplay *display, struct wl_resource *resource,
                             bool primary);
void moss_source_free (MossSource *source);
void moss_source_offer (MossSource *source, const char *mime_type);
bool moss_source_has (MossSource *source, const char *mime_type);
void moss_source_send (MossSource *source, const char *mime_type, int fd);
void moss_source_cancel (MossSource *source);
void moss_selection_set (MossDisplay *display, MossSelection which, MossSource *source);
/* The same for a client that asks: it is refused while another app has the keyboard. */
void moss_selection_ask (MossDisplay *display, MossSelection which, MossSource *source);
void moss_selection_init (MossDisplay *display);
void moss_selection_fini (MossDisplay *display);
/* A client got the keyboard: tell it what can be pasted. */
void moss_selection_focus (MossDisplay *display, struct wl_client *client);
void moss_selection_send_offers (MossDisplay *display, MossSelection which,
                                 struct wl_resource *device);
MossOffer *moss_offer_new (MossSource *source, struct wl_resource *device, bool drag);
void moss_data_device_init (MossDisplay *display);
void moss_primary_init (MossDisplay *display);
void moss_viewer_source (MossDisplay *display, MossSelection which, char **mime_types);

typedef struct
{
  bool active;
  bool from_viewer;       /* it came from elsewhere */
  MossSource *source;     /* NULL: a client drags for itself */
  struct wl_client *client;
  MossSurface *icon;
  struct wl_listener icon_destroyed;
  MossSurface *focus;
  struct wl_listener focus_destroyed;
  MossOffer *offer; /* the focus client's */
} MossDrag;

void moss_drag_start (MossDisplay *display, MossSource *source, MossSurface *icon,
                      struct wl_client *client);
void moss_drag_motion (MossDisplay *display, MossSurface *surface, double x, double y,
                       uint32_t time);
void moss_drag_set_focus (MossDisplay *display, MossSurface *surface, double x, double y);
void moss_drag_drop (MossDisplay *display);
void moss_drag_end (MossDisplay *display, bool cancelled);
void moss_drag_source_gone (MossDisplay *display, MossSource *source);
void moss_drag_offer_gone (MossDisplay *display, MossOffer *offer);
void moss_drag_update_action (MossDisplay *display, MossOffer *offer);
void moss_drag_accepted (MossDisplay *display, MossOffer *offer, const char *mime_type);
void moss_drag_offer_finished (MossDisplay *display, MossOffer *offer);

/* ---- drag-outward.c ------------------------------------------------------------------ */

void moss_drag_target (MossDisplay *display, const char *mime_type, uint32_t action);
void moss_drag_receive (MossDisplay *display, const char *mime_type, int fd);
void moss_drag_dropped (MossDisplay *display);
void moss_drag_outside_finished (MossDisplay *display, uint32_t action);
void moss_drag_cancel (MossDisplay *display);
void moss_drop_enter (MossDisplay *display, MossSurface *root, double x, double y,
                      uint32_t actions, char **mime_types);
void moss_drop_motion (MossDisplay *display, MossSurface *root, double x, double y,
                       uint32_t time);
void moss_drop_leave (MossDisplay *display);
void moss_drop_drop (MossDisplay *display);

/* ---- text-input.c -------------------------------------------------------------------- */

typedef struct
{
  bool enabled;
  char *surrounding;
  uint32_t cursor, anchor, hint, purpose, cause;
  MossRect rect;
} MossTextState;

void moss_text_input_init (MossDisplay *display);
void moss_text_input_focus (MossDisplay *display, MossSurface *surface);
void moss_text_input_event (MossDisplay *display, uint32_t before, uint32_t after,
                            const char *commit, const char *preedit, int32_t begin,
                            int32_t end);
const MossTextState *moss_text_input_get (MossDisplay *display);

/* ---- output.c and small globals ------------------------------------------------------ */

typedef struct
{
  struct wl_list resources, xdg_resources;
  int32_t width, height, width_mm, height_mm;
  uint32_t scale_120, refresh_mhz;
  int32_t work_width, work_height;
} MossOutput;

void moss_output_init (MossDisplay *display);
void moss_output_set (MossDisplay *display, int32_t width, int32_t height,
                      uint32_t scale_120, uint32_t refresh_mhz, int32_t width_mm,
                      int32_t height_mm);
void moss_output_set_work_area (MossDisplay *display, int32_t width, int32_t height);
void moss_viewporter_init (MossDisplay *display);
void moss_fractional_init (MossDisplay *display);
void moss_fractional_send (MossDisplay *display);
void moss_decoration_init (MossDisplay *display);
void moss_activation_init (MossDisplay *display);
void moss_activation_fini (MossDisplay *display);
void moss_inhibit_init (MossDisplay *display);

/* ---- connection.c, held.c, sync.c ---------------------------------------------------- */

typedef struct
{
  struct wl_list link;
  uint32_t serial;
  uint32_t surface; /* its id */
  MossBuffer *buffer; /* a hold */
} MossHeld;

struct _MossDisplayConnection
{
  struct wl_list link;
  MossDisplay *display;
  MossWire *wire;
  struct wl_event_source *source;
  uint32_t role; /* 0: has not said hello */
  bool closing;  /* to be closed when its message was handled */
  bool dead, dispatching;
  bool waits_writable;
  uint32_t serial, acked;
  struct wl_list held; /* buffers it may read until it acks */
};

/* Where an app's wish goes; ignored without a viewer. */
void moss_viewer_request (MossSurface *surface, uint32_t request, int32_t a, int32_t b);
/* Takes fd. */
void moss_viewer_send_fd (MossDisplay *display, uint16_t type, int32_t which,
                          const char *mime_type, int fd);
void moss_viewer_drop_finished (MossDisplay *display, uint32_t action);
void moss_display_schedule (MossDisplay *display);
/* The buffer's hold becomes the list's, until the next batch is answered. */
void moss_held_add (MossDisplayConnection *connection, MossSurface *surface, MossBuffer *buffer);
void moss_held_ack (MossDisplayConnection *connection, uint32_t serial);
/* The surface has another buffer now: but for it and what is shown the app gets all back. */
void moss_held_surface_replaced (MossSurface *surface);
void moss_sync_attach (MossDisplayConnection *connection);
void moss_sync_run (MossDisplayConnection *connection);
void moss_sync_ack (MossDisplayConnection *connection, uint32_t serial);
void moss_sync_detached (MossDisplayConnection *connection);
void moss_sync_surface_gone (MossSurface *surface);
void moss_sync_pool_gone (MossPool *pool);
void moss_connection_kill (MossDisplayConnection *connection, uint32_t reason);
void moss_connection_flush (MossDisplayConnection *connection);
/* False: the connection is to end. */
bool moss_dispatch_viewer (MossDisplayConnection *connection, MossWireMessage *message);
bool moss_dispatch_control (MossDisplayConnection *connection, MossWireMessage *message);

enum
{
  MOSS_STALE_CURSOR = 1 << 0,
  MOSS_STALE_CLIPBOARD = 1 << 1,
  MOSS_STALE_PRIMARY = 1 << 2,
  MOSS_STALE_DRAG = 1 << 3,
  MOSS_STALE_DROP = 1 << 4,
  MOSS_STALE_TEXT = 1 << 5,
  MOSS_STALE_POINTER = 1 << 6,
  MOSS_STALE_ALL = 127,
};

struct _MossDisplay
{
  struct wl_display *wl;
  struct wl_event_loop *loop;
  bool running, ending;
  bool moved;            /* detached, and what was under way then may not have come through */
  uint32_t moved_until;  /* counts once a viewer is there again, in ms */
  MossDisplayCallbacks callbacks;
  void *callbacks_data;
  char *socket_path;
  struct wl_listener client_created;
  struct wl_list clients, pools, surfaces, xdg_surfaces, shells, grabs, connections;
  unsigned n_pools, n_connections, n_mapped;
  uint32_t next_id, next_pool_id;

  MossDisplayConnection *viewer;
  struct wl_list dirty;
  uint32_t stale;
  struct wl_event_source *idle;

  MossOutput output;
  MossSeat seat;
  MossSource *selections[MOSS_N_SELECTIONS];
  struct wl_list data_devices, primary_devices;
  MossDrag drag;
  MossSource *handed; /* an app's, dropped outside and not finished */
  uint32_t drop_action;
  char *drop_mime_type;
  struct wl_list text_inputs;
  pid_t one_window; /* a client that shows a whole screen in its window, or 0 */
  struct wl_list tokens;
  unsigned n_tokens;
};

uint32_t moss_display_serial (MossDisplay *display);
/* Whether a descriptor may be another one than its sender meant: CRIU 4.2.1 mixes up those that
 * are under way in a socket while it works. */
bool moss_display_just_moved (MossDisplay *display);
void moss_display_count_toplevels (MossDisplay *display, int change);
/* Makes a resource or posts no-memory. */
struct wl_resource *moss_resource (struct wl_client *client,
                                   const struct wl_interface *interface, int version,
                                   uint32_t id, const void *implementation, void *data,
                                   wl_resource_destroy_func_t destroyed);
void moss_resource_destroy_request (struct wl_client *client, struct wl_resource *resource);
/* For lists of resources linked by wl_resource_get_link(). */
void moss_resource_unlink (struct wl_resource *resource);
uint32_t moss_now_ms (void);
