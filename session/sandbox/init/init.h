/* SPDX-License-Identifier: GPL-3.0-or-later */
/* moss-init: pid 1 of a sandbox and its display. Plain C without GLib: it is in every sandbox's
 * memory, travels with it, and every page of it costs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define INIT_APP_ID 1000
#define INIT_HOME "/home/moss"
#ifndef INIT_RUNTIME_DIR /* a test has another */
#define INIT_RUNTIME_DIR "/run/user/1000"
#endif
#define INIT_DISPLAY_NAME "wayland-0"
#define INIT_CONTROL_DIR "/run/moss"
#define INIT_CONTROL_SOCKET INIT_CONTROL_DIR "/display"
#define INIT_FUNCTIONS_DIR INIT_RUNTIME_DIR "/moss"
#define INIT_FUNCTIONS_SOCKET INIT_FUNCTIONS_DIR "/ffi"
#ifndef INIT_SERVICES_DIR
#define INIT_SERVICES_DIR "/run/moss-services"
#endif
#define INIT_LOG INIT_HOME "/.cache/moss-app.log"

/* ---- init-setup.c -------------------------------------------------------------------- */

/* Makes directories and brings the loopback interface up. Returns what failed, or NULL. */
const char *init_setup_system (void);
/* Gives up every capability but those to start programs as the app's user. */
const char *init_setup_drop_capabilities (void);
/* Reach files as the app's user does, and as before. Whoever changes ids becomes one that can't be
 * dumped (kernel: prctl(2), PR_SET_DUMPABLE); that is undone, because pid 1 has to travel. */
void init_setup_files_as_app (void);
void init_setup_files_as_root (void);
/* Listens where sandboxd connects; returns the fd or -1. */
int init_setup_control_socket (void);
/* Listens where X clients connect to display :0; returns the fd or -1. */
int init_setup_x11_socket (void);
/* Listens where apps ask for functions, a directory of their own user's; returns the fd or -1. */
int init_setup_functions_socket (void);
void init_setup_remove_functions_socket (void);

/* ---- init-start.c -------------------------------------------------------------------- */

/* Starts argv as the app's user without capabilities and behind the filter. keep_fd (or
 * -1) stays open in it. Returns its pid; on failure -1 and a sentence in why. */
pid_t init_start (char *const *argv, const char *cwd, int keep_fd, char *why, size_t why_size);
/* Starts the private message bus and waits until it listens. */
pid_t init_start_bus (char *why, size_t why_size);
/* Starts an X server with one window for all its apps, which takes clients from listen_fd. */
pid_t init_start_x11 (int listen_fd, char *why, size_t why_size);
/* Empties the app's log once it is large. */
void init_trim_log (void);

/* ---- init-services.c ----------------------------------------------------------------- */

/* A process that the bus started for a message (or a child of one), and the one that the bus keeps
 * beside each. */
typedef enum
{
  INIT_SERVICE_NONE,
  INIT_SERVICE,
  INIT_SERVICE_WATCHER,
} InitServiceKind;

/* Makes the folder of what the bus may start. */
bool init_services_offer (void);
InitServiceKind init_services_kind (pid_t pid, pid_t bus);
/* The pure parts: whether a service of that bus name may be started, and the name in the text of a
 * service file. */
bool init_services_may_start (const char *name);
bool init_services_find_name (const char *text, char *name, size_t size);

/* ---- init-relay.c -------------------------------------------------------------------- */

struct wl_event_loop;

/* Joins a socket that leads outward with the private message bus, already logged in. Takes the
 * socket when true. */
bool init_relay_add (struct wl_event_loop *loop, int outer);
/* Ends them all and waits a moment until the bus has let go: nothing may lead outward then. */
void init_relay_end_all (void);

/* ---- init-functions.c ---------------------------------------------------------------- */

/* From now on apps that knock are given to whoever has the other end of trunk: a byte "F" with a
 * SOCK_SEQPACKET socket each. Takes trunk when true. A second call replaces the first. */
bool init_functions_open (struct wl_event_loop *loop, int trunk);
/* Ends all of it: nothing leads outward then, and nobody can knock. */
void init_functions_end_all (void);

/* ---- init-seccomp.c ------------------------------------------------------------------ */

/* Puts the filter over the calling process. Returns 0 or a negative errno. */
int init_seccomp_load (void);

/* ---- init-settings.c ----------------------------------------------------------------- */

/* Writes one setting of the desktop to where GIO's keyfile backend reads it; false when the key
 * is unknown or the value unfit. */
bool init_settings_apply (const char *key, const char *value);
/* The pure part: text is the old file (may be ""), returns the new one (free()) or NULL. */
char *init_settings_edit (const char *text, const char *group, const char *key,
                          const char *value);
