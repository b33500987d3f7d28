/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Ids 0–65535 inside a sandbox are these outside, on every machine the same. */
#define MOSS_SANDBOX_FIRST_ID 1900019712u
#define MOSS_SANDBOX_N_IDS 65536u
#define MOSS_SANDBOX_APP_ID 1000u

#define MOSS_SANDBOX_INIT_PATH "/usr/libexec/moss/moss-init"

/* Fills base_dir (empty, on a file system of its own) with the layer that lies between the
 * runtime and every sandbox's changes: it hides what belongs to the machine's people and puts
 * device nodes and accounts in place. It never travels: each machine makes its own. root_dir is
 * the runtime. Needs root. */
gboolean moss_base_build (const char *base_dir, const char *root_dir, GError **error);

/* Makes what a new sandbox has of its own (home, machine-id, moss-init) in its empty upper.
 * init_program is the host's moss-init. */
gboolean moss_base_fill_upper (int upper_fd, const char *init_program, GError **error);

G_END_DECLS
