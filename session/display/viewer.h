// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The viewer's end of a private display: what a shell needs to show the windows of one
 * sandbox and to give them input.
 *
 * A MossViewer is made from the connected socket of one display. It holds a live copy of
 * the display's state as MossViewerSurface objects and speaks of changes by signals, all
 * from the main context that was thread-default when it was made. It never blocks, never
 * maps a client's memory, and believes nothing that the other side says: a bad message
 * ends the connection with "closed", never the process.
 *
 * Order of events
 *   "surface-added" comes once for each toplevel and popup when it is mapped, "removed" on
 *   the surface when it goes (the object may be held longer; it is then inert). "ready"
 *   comes when the first whole state is there. A surface's "commit" comes after all
 *   surfaces that changed together have changed.
 *
 * Drawing a window
 *   1. moss_viewer_surface_get_stack(): the surface itself and its subsurfaces, bottom to
 *      top; moss_viewer_surface_get_offset() of each subsurface is relative to its parent.
 *   2. For each: moss_viewer_surface_ref_pixels() and moss_viewer_surface_get_source() is
 *      what to show, moss_viewer_surface_get_size() is how large (logical pixels), after
 *      moss_viewer_surface_get_transform() is undone.
 *   3. moss_viewer_surface_get_geometry() is the part of a window without its shadows.
 *   4. Popups are drawn the same way at their offset from their parent surface.
 *   5. Once drawn, moss_viewer_frame_done(), when moss_viewer_surface_get_wants_frame().
 *      Don't call it for a window that nobody can see: its app then rests.
 *
 * Coordinates are logical pixels; "surface coordinates" have their origin at the surface's
 * top left corner (shadows included). Times are microseconds of g_get_monotonic_time().
 * All MossViewer functions are no-ops once the viewer is closed.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MOSS_VIEWER_ERROR (moss_viewer_error_quark ())
GQuark moss_viewer_error_quark (void);

typedef enum
{
  MOSS_VIEWER_ERROR_CLOSED,   /* the display ended the connection (the app ended) */
  MOSS_VIEWER_ERROR_REPLACED, /* another viewer took over */
  MOSS_VIEWER_ERROR_DETACHED, /* the sandbox is about to be frozen */
  MOSS_VIEWER_ERROR_PROTOCOL, /* the display said something it may not say */
  MOSS_VIEWER_ERROR_STALLED,  /* it reads nothing any more */
} MossViewerError;

typedef enum
{
  MOSS_VIEWER_ROLE_NONE,
  MOSS_VIEWER_ROLE_TOPLEVEL,
  MOSS_VIEWER_ROLE_POPUP,
  MOSS_VIEWER_ROLE_SUBSURFACE,
  MOSS_VIEWER_ROLE_CURSOR,
  MOSS_VIEWER_ROLE_DRAG_ICON,
} MossViewerRole;

typedef enum
{
  MOSS_VIEWER_STATE_ACTIVATED = 1 << 0,
  MOSS_VIEWER_STATE_MAXIMIZED = 1 << 1,
  MOSS_VIEWER_STATE_FULLSCREEN = 1 << 2,
  MOSS_VIEWER_STATE_RESIZING = 1 << 3,
  MOSS_VIEWER_STATE_TILED_LEFT = 1 << 4,
  MOSS_VIEWER_STATE_TILED_RIGHT = 1 << 5,
  MOSS_VIEWER_STATE_TILED_TOP = 1 << 6,
  MOSS_VIEWER_STATE_TILED_BOTTOM = 1 << 7,
} MossViewerState;

/* Bits, as in xdg_toplevel.resize_edge. */
typedef enum
{
  MOSS_VIEWER_EDGE_TOP = 1,
  MOSS_VIEWER_EDGE_BOTTOM = 2,
  MOSS_VIEWER_EDGE_LEFT = 4,
  MOSS_VIEWER_EDGE_RIGHT = 8,
} MossViewerEdge;

/* As wl_output.transform: how the app turned its buffer. */
typedef enum
{
  MOSS_VIEWER_TRANSFORM_NORMAL,
  MOSS_VIEWER_TRANSFORM_90,
  MOSS_VIEWER_TRANSFORM_180,
  MOSS_VIEWER_TRANSFORM_270,
  MOSS_VIEWER_TRANSFORM_FLIPPED,
  MOSS_VIEWER_TRANSFORM_FLIPPED_90,
  MOSS_VIEWER_TRANSFORM_FLIPPED_180,
  MOSS_VIEWER_TRANSFORM_FLIPPED_270,
} MossViewerTransform;

typedef enum
{
  MOSS_VIEWER_POINTER_FREE,
  MOSS_VIEWER_POINTER_LOCKED,
  MOSS_VIEWER_POINTER_CONFINED,
} MossViewerPointer;

typedef enum
{
  MOSS_VIEWER_SELECTION_CLIPBOARD,
  MOSS_VIEWER_SELECTION_PRIMARY,
} MossViewerSelection;

/* As wl_data_device_manager.dnd_action. */
typedef enum
{
  MOSS_VIEWER_ACTION_NONE = 0,
  MOSS_VIEWER_ACTION_COPY = 1,
  MOSS_VIEWER_ACTION_MOVE = 2,
  MOSS_VIEWER_ACTION_ASK = 4,
} MossViewerAction;

typedef enum
{
  MOSS_VIEWER_AXIS_SOURCE_WHEEL,
  MOSS_VIEWER_AXIS_SOURCE_FINGER,
  MOSS_VIEWER_AXIS_SOURCE_CONTINUOUS,
  MOSS_VIEWER_AXIS_SOURCE_WHEEL_TILT,
} MossViewerAxisSource;

typedef struct
{
  int x, y, width, height;
} MossViewerRect;

typedef struct
{
  double x, y, width, height;
} MossViewerArea;

/* What the focused text field says about itself. Strings and struct belong to the viewer
 * and change with the next "text-input-changed". */
typedef struct
{
  gboolean enabled;
  const char *surrounding;    /* UTF-8, never NULL */
  guint cursor, anchor;       /* byte offsets into surrounding */
  guint hint, purpose;        /* as in zwp_text_input_v3.content_hint, content_purpose */
  MossViewerRect cursor_rect; /* surface coordinates of the focused surface */
  gboolean changed_by_method; /* the last change came from the input method */
} MossViewerTextInput;

#define MOSS_TYPE_VIEWER (moss_viewer_get_type ())
G_DECLARE_FINAL_TYPE (MossViewer, moss_viewer, MOSS, VIEWER, GObject)
#define MOSS_TYPE_VIEWER_SURFACE (moss_viewer_surface_get_type ())
G_DECLARE_FINAL_TYPE (MossViewerSurface, moss_viewer_surface, MOSS, VIEWER_SURFACE, GObject)

/*
 * MossViewer signals
 *   "ready"                ()
 *   "closed"               (GError *reason)   once; every surface was "removed" before
 *   "surface-added"        (MossViewerSurface *) a toplevel or popup was mapped
 *   "cursor-changed"       ()
 *   "pointer-held-changed" ()
 *   "selection-changed"    (MossViewerSelection)
 *   "selection-requested"  (MossViewerSelection, const char *mime, int fd) -> gboolean
 *   "drag-changed"         () a drag of this app began, ended, or has another icon, offer
 *   "drop-changed"         () the app answered to a drag over it
 *   "drop-requested"       (const char *mime, int fd) -> gboolean
 *   "drop-finished"        (MossViewerAction) 0 when the app did not want it
 *   "text-input-changed"   ()
 * "…-requested" hands over the writing end of a pipe: return TRUE to have taken it (write
 * the data, close it), else the library closes it.
 *
 * MossViewerSurface signals
 *   "commit"               () pixels, size, stack or place of this surface or of one of its
 *                          subsurfaces changed
 *   "changed"              () title, app id, parent, limits, decoration or a flag changed
 *   "removed"              ()
 *   "wants-frame"          () frame-done is wanted from now on (toplevels, popups)
 * and requests of the app that follow an input event of the person (toplevels):
 *   "request-move"         ()
 *   "request-resize"       (MossViewerEdge)
 *   "request-menu"         (int x, int y)     surface coordinates
 *   "request-minimize"     ()
 *   "request-maximize"     (gboolean)         answer with configure(), also to refuse
 *   "request-fullscreen"   (gboolean)         likewise
 *   "request-activate"     (gboolean trusted) trusted: it proved a recent input event
 */

/* ---- connection ---------------------------------------------------------------------- */

/* Takes fd over. Never fails: a dead fd shows as "closed" from the main loop. */
MossViewer *moss_viewer_new (int fd);
/* Says good-bye and closes; "closed" is not emitted. */
void moss_viewer_close (MossViewer *viewer);
gboolean moss_viewer_is_ready (MossViewer *viewer);
gboolean moss_viewer_is_closed (MossViewer *viewer);

/* ---- state --------------------------------------------------------------------------- */

/* Mapped toplevels in the order they were mapped. [transfer container] free with
 * g_ptr_array_unref(). */
GPtrArray *moss_viewer_get_toplevels (MossViewer *viewer);
/* [transfer none] or NULL. An id means the same window for as long as the app lives, also
 * across viewers and moves: a shell may remember a window's place by it. A window that is
 * hidden and shown again comes as a new object with its old id. */
MossViewerSurface *moss_viewer_lookup (MossViewer *viewer, guint id);

guint moss_viewer_surface_get_id (MossViewerSurface *surface);
MossViewer *moss_viewer_surface_get_viewer (MossViewerSurface *surface); /* NULL: removed */
MossViewerRole moss_viewer_surface_get_role (MossViewerSurface *surface);
gboolean moss_viewer_surface_is_removed (MossViewerSurface *surface);

/* Toplevels. Strings are valid UTF-8, never NULL, without control characters, and belong
 * to the surface. An app's icon is found by its app id, as for any Wayland app. */
const char *moss_viewer_surface_get_title (MossViewerSurface *surface);
const char *moss_viewer_surface_get_app_id (MossViewerSurface *surface);
/* Toplevel: the window it belongs to or NULL. Popup, subsurface: where it hangs. */
MossViewerSurface *moss_viewer_surface_get_parent (MossViewerSurface *surface);
/* Window geometry in surface coordinates; the whole surface when the app set none. */
void moss_viewer_surface_get_geometry (MossViewerSurface *surface, MossViewerRect *rect);
/* Of the window geometry; 0 is no limit. */
void moss_viewer_surface_get_min_size (MossViewerSurface *surface, int *width, int *height);
void moss_viewer_surface_get_max_size (MossViewerSurface *surface, int *width, int *height);
/* The states the app has drawn itself for (it lags behind configure()). */
MossViewerState moss_viewer_surface_get_states (MossViewerSurface *surface);
/* TRUE: the shell draws the title bar; FALSE: the app does, or wants none. */
gboolean moss_viewer_surface_get_server_decorated (MossViewerSurface *surface);
gboolean moss_viewer_surface_get_inhibits_idle (MossViewerSurface *surface);
/* The app asks for every key, also those of the shell (a remote desktop, a VM). */
gboolean moss_viewer_surface_get_inhibits_shortcuts (MossViewerSurface *surface);
/* FALSE: the app has not answered for seconds. */
gboolean moss_viewer_surface_get_responsive (MossViewerSurface *surface);
/* Popups: the app has grabbed input; call moss_viewer_dismiss_popups() when the person
 * clicks outside of this display's surfaces. */
gboolean moss_viewer_surface_get_grabs (MossViewerSurface *surface);

/* ---- what a surface shows ------------------------------------------------------------ */

/* The surface and its subsurfaces, bottom to top; the own surface is one of the entries.
 * A subsurface has a stack of its own. [transfer none], of MossViewerSurface. */
GPtrArray *moss_viewer_surface_get_stack (MossViewerSurface *surface);
/* Where its origin lies relative to its parent's (popups, subsurfaces), in surface
 * coordinates; relative to the pointer for a drag icon; 0,0 else. */
void moss_viewer_surface_get_offset (MossViewerSurface *surface, int *x, int *y);
/* Logical size; 0×0 without content. */
void moss_viewer_surface_get_size (MossViewerSurface *surface, int *width, int *height);
void moss_viewer_surface_get_buffer_size (MossViewerSurface *surface, int *width, int *height);
/* The part of the buffer to show, in buffer pixels after the transform. */
void moss_viewer_surface_get_source (MossViewerSurface *surface, MossViewerArea *area);
MossViewerTransform moss_viewer_surface_get_transform (MossViewerSurface *surface);
int moss_viewer_surface_get_scale (MossViewerSurface *surface);
/* No pixel lets anything through. */
gboolean moss_viewer_surface_get_opaque (MossViewerSurface *surface);
/* Whether the app wants input at this point (surface coordinates, without subsurfaces). */
gboolean moss_viewer_surface_accepts_input (MossViewerSurface *surface, double x, double y);

/* The buffer's pixels: 32 bit, native endian ARGB, premultiplied (GDK_MEMORY_DEFAULT,
 * CAIRO_FORMAT_ARGB32), stride = 4 × width. A private, unchanging copy of which only
 * damage is read again: as long as nobody holds the last one, this costs what changed.
 * NULL without content. Drop the last texture first, then take the next. */
GBytes *moss_viewer_surface_ref_pixels (MossViewerSurface *surface, int *width, int *height);
/* Copies one rectangle of the buffer (buffer pixels, inside of the buffer) to where the
 * caller wants it, for those who keep tiles. FALSE when there is no such content. */
gboolean moss_viewer_surface_read (MossViewerSurface *surface, const MossViewerRect *rect,
                                   guchar *pixels, gsize stride);
/* What changed since the last call, in buffer pixels: at most max rectangles are written
 * (they cover everything), the number is returned. After a new size: all of it. */
guint moss_viewer_surface_take_damage (MossViewerSurface *surface, MossViewerRect *rects,
                                       guint max);

/* The app waits for a frame-done of this toplevel or popup (or something in its stack). */
gboolean moss_viewer_surface_get_wants_frame (MossViewerSurface *surface);
/* Drawn: the app may prepare the next frame. surface: a toplevel or popup, or NULL for
 * cursor and drag icon. */
void moss_viewer_frame_done (MossViewer *viewer, MossViewerSurface *surface, gint64 time_us);

/* ---- windows ------------------------------------------------------------------------- */

/* Size of the window geometry (0: as the app likes) and the states it shall show. Calls
 * that come faster than the app answers are merged. */
void moss_viewer_configure (MossViewer *viewer, MossViewerSurface *toplevel, int width,
                            int height, MossViewerState states);
/* Where popups of this toplevel may lie, in its surface coordinates (as a rule the work
 * area). Without it popups lie where the app would best like them. */
void moss_viewer_set_popup_bounds (MossViewer *viewer, MossViewerSurface *toplevel,
                                   const MossViewerRect *bounds);
/* Minimised or on another workspace: keeps its state, draws nothing. */
void moss_viewer_set_visible (MossViewer *viewer, MossViewerSurface *toplevel,
                              gboolean visible);
void moss_viewer_close_toplevel (MossViewer *viewer, MossViewerSurface *toplevel);
void moss_viewer_dismiss_popups (MossViewer *viewer);
/* Finds out whether the app still answers; see get_responsive. */
void moss_viewer_ping (MossViewer *viewer, MossViewerSurface *toplevel);

/* ---- desktop ------------------------------------------------------------------------- */

/* The screen as apps shall see it: logical size, scale in 1/120 (120 = 1.0), refresh rate
 * in mHz (0: unknown), physical size in mm (0: unknown). Call it first of all. */
void moss_viewer_set_output (MossViewer *viewer, int width, int height, guint scale_120,
                             guint refresh_mhz, int width_mm, int height_mm);
/* The largest window without covering panels; 0,0 unknown. */
void moss_viewer_set_work_area (MossViewer *viewer, int width, int height);

/* ---- pointer ------------------------------------------------------------------------- */

/* surface: the toplevel or popup below the pointer; x, y in its surface coordinates.
 * Subsurfaces, button grabs and drags inside of the app are sorted out by the display.
 * While a button is down go on with the surface that had it, outside of it, too. */
void moss_viewer_pointer_motion (MossViewer *viewer, MossViewerSurface *surface, double x,
                                 double y, gint64 time_us);
void moss_viewer_pointer_leave (MossViewer *viewer);
/* button: evdev code (BTN_LEFT = 0x110). */
void moss_viewer_pointer_button (MossViewer *viewer, guint button, gboolean pressed,
                                 gint64 time_us);
/* dx, dy in logical pixels; steps in 1/120 of a wheel click, 0 when not a wheel; both
 * axes 0 means that the fingers left. */
void moss_viewer_pointer_axis (MossViewer *viewer, double dx, double dy, int steps_x,
                               int steps_y, MossViewerAxisSource source, gint64 time_us);

/* Whether the app holds the pointer. Locked: it stays where it is, unseen, and its motion goes to
 * moss_viewer_pointer_relative() alone. Confined: it may not leave the surface. It begins and
 * ends with keyboard focus; a shell that must have the pointer takes that away. surface:
 * (out) (transfer none), x, y: (out) where in it the pointer shall stand once it is free. */
MossViewerPointer moss_viewer_get_pointer_held (MossViewer *viewer,
                                                MossViewerSurface **surface, double *x,
                                                double *y);
/* Logical pixels. Only for a locked pointer. */
void moss_viewer_pointer_relative (MossViewer *viewer, double dx, double dy,
                                   gint64 time_us);
/* The cursor to show over this display's surfaces: a CSS name ("text", "none", "default")
 * or NULL when the app draws its own: then get_cursor_surface() with its hot spot. */
const char *moss_viewer_get_cursor_name (MossViewer *viewer);
MossViewerSurface *moss_viewer_get_cursor_surface (MossViewer *viewer, int *hotspot_x,
                                                   int *hotspot_y);

/* ---- keyboard ------------------------------------------------------------------------ */

/* XKB text of at most 1 MiB; checked by compiling it. */
gboolean moss_viewer_set_keymap (MossViewer *viewer, const char *text, GError **error);
/* The same from names ("de", "nodeadkeys"); NULL is the default of each. */
gboolean moss_viewer_set_keymap_names (MossViewer *viewer, const char *rules,
                                       const char *model, const char *layout,
                                       const char *variant, const char *options,
                                       GError **error);
/* rate in characters a second (0: no repeat). */
void moss_viewer_set_repeat (MossViewer *viewer, guint rate, guint delay_ms);
/* NULL: no surface has the keyboard. A grabbing popup gets it by itself. */
void moss_viewer_set_keyboard_focus (MossViewer *viewer, MossViewerSurface *toplevel);
/* evdev code (KEY_A = 30; an X11 or GDK keycode less 8). The display follows modifiers. */
void moss_viewer_key (MossViewer *viewer, guint key, gboolean pressed, gint64 time_us);
/* Where the host's state is known better (locks, layout group, keys pressed elsewhere):
 * XKB masks. Needed after focus-in when Caps Lock or the layout may have changed. */
void moss_viewer_set_modifiers (MossViewer *viewer, guint depressed, guint latched,
                                guint locked, guint group);

/* ---- touch --------------------------------------------------------------------------- */

void moss_viewer_touch_down (MossViewer *viewer, MossViewerSurface *surface, int finger,
                             double x, double y, gint64 time_us);
void moss_viewer_touch_motion (MossViewer *viewer, int finger, double x, double y,
                               gint64 time_us);
void moss_viewer_touch_up (MossViewer *viewer, int finger, gint64 time_us);
/* Also said once without any finger, where there is a touch screen: an app that does not know of it
 * when the first finger comes down would miss that. */
void moss_viewer_touch_cancel (MossViewer *viewer);

/* ---- input method -------------------------------------------------------------------- */

const MossViewerTextInput *moss_viewer_get_text_input (MossViewer *viewer);
/* One step of an input method, applied in this order: delete so many bytes before and
 * after the cursor, insert commit (or NULL), show preedit (NULL: none) with its cursor
 * between two byte offsets (-1, -1: hidden). */
void moss_viewer_text_input (MossViewer *viewer, guint delete_before, guint delete_after,
                             const char *commit, const char *preedit, int cursor_begin,
                             int cursor_end);

/* ---- selections ---------------------------------------------------------------------- */

/* What an app of this display offers; NULL when none does (also when we do). */
const char *const *moss_viewer_get_selection (MossViewer *viewer, MossViewerSelection which);
/* Has the owner write its data into fd, which is taken over. */
void moss_viewer_receive_selection (MossViewer *viewer, MossViewerSelection which,
                                    const char *mime_type, int fd);
/* Offers the host's selection to the apps (NULL: withdraws). It replaces theirs, without
 * "selection-changed". */
void moss_viewer_set_selection (MossViewer *viewer, MossViewerSelection which,
                                const char *const *mime_types);

/* ---- drags that start in this app ---------------------------------------------------- */

/* Drags that stay over this display's surfaces need nothing but pointer events. */
gboolean moss_viewer_get_drag_active (MossViewer *viewer);
/* NULL terminated; NULL while none is active. */
const char *const *moss_viewer_get_drag_mime_types (MossViewer *viewer);
MossViewerAction moss_viewer_get_drag_actions (MossViewer *viewer);
MossViewerSurface *moss_viewer_get_drag_icon (MossViewer *viewer); /* or NULL */
/* Over somebody else: tell the app what that one would take (mime NULL: nothing). */
void moss_viewer_drag_target (MossViewer *viewer, const char *mime_type,
                              MossViewerAction action);
void moss_viewer_drag_receive (MossViewer *viewer, const char *mime_type, int fd);
/* Dropped there; then, when that one has all it wants, finished. */
/* This takes the place of the button's release. */
void moss_viewer_drag_dropped (MossViewer *viewer);
void moss_viewer_drag_finished (MossViewer *viewer, MossViewerAction action);
void moss_viewer_drag_cancel (MossViewer *viewer);

/* ---- drags that come over this app --------------------------------------------------- */

void moss_viewer_drop_enter (MossViewer *viewer, MossViewerSurface *surface, double x,
                             double y, const char *const *mime_types,
                             MossViewerAction actions);
void moss_viewer_drop_motion (MossViewer *viewer, MossViewerSurface *surface, double x,
                              double y, gint64 time_us);
void moss_viewer_drop_leave (MossViewer *viewer);
/* Let go over it; "drop-requested" and "drop-finished" follow. */
void moss_viewer_drop_drop (MossViewer *viewer);
/* What the app would take where the pointer is: NULL and 0 when nothing. */
const char *moss_viewer_get_drop_mime_type (MossViewer *viewer);
MossViewerAction moss_viewer_get_drop_action (MossViewer *viewer);

G_END_DECLS
