// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The private display: one Wayland server for the clients of one sandbox.
 *
 * Plain C on libwayland-server and libxkbcommon; no GLib, no second thread, no device
 * file. Everything here is called from the thread that dispatches the event loop. The
 * library neither forks nor touches signals; SIGPIPE can't happen.
 *
 * Wayland clients find it at RUNTIME_DIR/SOCKET_NAME. Outside of the sandbox it is seen
 * through connected unix stream sockets handed to moss_display_add_connection(); the
 * first message on such a socket says whether its peer is a viewer (the shell) or a
 * controller (sandboxd). The wire protocol is docs/formats/viewer.md.
 *
 *   MossDisplay *display = moss_display_new ("/run/user/1000", "wayland-0");
 *   moss_display_set_callbacks (display, &callbacks, data);
 *   wl_event_loop_add_fd (moss_display_get_event_loop (display), listener, ...);
 *   moss_display_run (display);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wl_display;
struct wl_event_loop;

typedef struct _MossDisplay MossDisplay;
typedef struct _MossDisplayConnection MossDisplayConnection;

/* Control messages from here on belong to the program around the display. */
#define MOSS_DISPLAY_CONTROL_PRIVATE 0x8000

/* Every member may be NULL. None may destroy the display. */
typedef struct
{
  /* A controller said how the desktop looks or speaks: keys such as "color-scheme",
   * "font-name", "text-scale", "locale". Strings end with the call. */
  void (*setting) (MossDisplay *display, const char *key, const char *value, void *data);
  /* Asked to detach: called first, so that the program can close what it has outward.
   * By the time the controller gets its answer no connection is left. */
  void (*detaching) (MossDisplay *display, void *data);
  /* Every toplevel was asked to close; n_toplevels may be 0. */
  void (*close_all) (MossDisplay *display, unsigned n_toplevels, void *data);
  /* A viewer came (true) or the last one went (false). */
  void (*viewer) (MossDisplay *display, bool attached, void *data);
  /* The number of mapped toplevels changed. */
  void (*toplevels) (MossDisplay *display, unsigned n_mapped, void *data);
  /* Somebody outside wants to speak with the apps' message bus. The socket is the callee's;
   * return false to refuse (it is then still the display's). NULL: always refused. */
  bool (*bus) (MossDisplay *display, int fd, void *data);
  /* Likewise: somebody outside takes what apps ask for. */
  bool (*functions) (MossDisplay *display, int fd, void *data);
  /* A Wayland client has gone and is no longer counted. */
  void (*client_gone) (MossDisplay *display, void *data);
  /* A control message with type >= MOSS_DISPLAY_CONTROL_PRIVATE. Body and fds belong to
   * the display and end with the call: dup() what is to be kept. Return false to end the
   * connection. Answer with moss_display_connection_reply(). */
  bool (*control) (MossDisplay *display, MossDisplayConnection *connection,
                   uint16_t type, const uint8_t *body, size_t size, const int *fds,
                   unsigned n_fds, void *data);
} MossDisplayCallbacks;

/* Makes the display and listens on RUNTIME_DIR/SOCKET_NAME (mode 0666: the directory
 * guards it). An old socket of that name is replaced. With socket_name NULL no socket is
 * made: clients are added by moss_display_add_client(). Returns NULL and sets errno. */
MossDisplay *moss_display_new (const char *runtime_dir, const char *socket_name);

/* Ends every client and connection and frees all. */
void moss_display_destroy (MossDisplay *display);

void moss_display_set_callbacks (MossDisplay *display,
                                 const MossDisplayCallbacks *callbacks,
                                 void *data);

/* The loop, to add the program's own fds, timers and signals to. */
struct wl_event_loop *moss_display_get_event_loop (MossDisplay *display);

/* For conformance suites and tests. */
struct wl_display *moss_display_get_wl_display (MossDisplay *display);

/* pid: a client (an X server) that shows a whole screen in one window; its screen is as large
 * as a window can be. */
void moss_display_set_one_window (MossDisplay *display, pid_t pid);

/* Dispatches until moss_display_stop(). */
void moss_display_run (MossDisplay *display);
void moss_display_stop (MossDisplay *display);

/* One round: waits at most timeout_ms (-1: until something happens), dispatches, writes
 * out. Returns false when the loop itself failed (errno). */
bool moss_display_iterate (MossDisplay *display, int timeout_ms);

/* Takes a connected unix stream socket whose peer will be a viewer or a controller.
 * The fd is the display's from here on, also on failure. Returns 0, or -1 with errno
 * (EMFILE: too many connections at once). A peer that sends nonsense ends its own
 * connection only. */
int moss_display_add_connection (MossDisplay *display, int fd);

/* Takes a connected unix stream socket of a Wayland client. As above. */
int moss_display_add_client (MossDisplay *display, int fd);

/* Lets go of everything that leads outward: keys and buttons are up, focus and drags
 * end, what the viewer offered as selection is withdrawn, clients get their buffers
 * back, and every connection is closed. Nothing of it can block. Idempotent. Clients stay
 * as they are; their frame callbacks wait for the next viewer. */
void moss_display_detach (MossDisplay *display);

/* Whether a Wayland client with this process id is connected. */
bool moss_display_has_client (MossDisplay *display, pid_t pid);

bool moss_display_has_viewer (MossDisplay *display);
unsigned moss_display_get_n_toplevels (MossDisplay *display);

/* Asks every toplevel to close; returns how many were asked. */
unsigned moss_display_close_all (MossDisplay *display);

/* Sends a message to a controller, from within or after its control callback. Types as
 * there. false when it is gone or too slow (it is closed then). */
bool moss_display_connection_reply (MossDisplayConnection *connection,
                                    uint16_t type,
                                    const uint8_t *body,
                                    size_t size);
