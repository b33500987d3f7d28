/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_LAYER_ERROR (moss_layer_error_quark ())

typedef enum
{
  MOSS_LAYER_ERROR_CORRUPT, /* the index is not what docs/formats/layer.md says */
  MOSS_LAYER_ERROR_DENIED, /* it asks for something forbidden (device, set-uid, /dev …) */
  MOSS_LAYER_ERROR_MISSING,        /* a "kept" file is not there as it was */
  MOSS_LAYER_ERROR_NOT_TRAVELABLE, /* the sandbox made a file that can't stand in a layer
                                    */
  MOSS_LAYER_ERROR_FAILED,         /* the disk said no */
} MossLayerError;

GQuark moss_layer_error_quark (void);

/* Host id of id 0 inside; files in an upper directory carry host ids. */
#define MOSS_LAYER_FIRST_ID 1900019712u
#define MOSS_LAYER_MAX_INDEX (64u << 20)
#define MOSS_LAYER_KEPT G_MAXUINT64
/* All contents together, holes included. */
#define MOSS_LAYER_MAX_CONTENT (G_GUINT64_CONSTANT (1) << 40)

/* Writes down what upper_dirfd holds. runtime_dirfd is the runtime's root (the overlay's
 * lower); extra_paths (NULL-terminated, absolute, may be NULL) are runtime files to be
 * added as if the app had changed them: their directories and a symlink's target are
 * added too, what upper has wins; one that not everybody on this machine may read is
 * NOT_TRAVELABLE. Nodes in /dev, and what is in /proc, /sys and
 * /run/moss, are left out. index: free with g_bytes_unref(). content_memfd: sealed memfd,
 * close it. Any thread. The sandbox is frozen, or live: then
 * what is read may be torn and what is taken away meanwhile is left out or zeros. */
gboolean moss_layer_export (int upper_dirfd,
                            int runtime_dirfd,
                            const char *const *extra_paths,
                            gboolean live,
                            GBytes **index,
                            int *content_memfd,
                            GError **error);

/* TRUE when the index is well formed, allowed and fits content_size. Pure; any thread. */
gboolean moss_layer_check (GBytes *index, guint64 content_size, GError **error);

/* Makes upper_dirfd exactly the layer. upper_dirfd is empty, or what an earlier call left
 * (files with the same path, size, mtime and "kept" content are not written again). It
 * checks the index itself. What sandboxd put into upper_dirfd's /dev, /proc, /sys,
 * /run/moss stays. On failure the upper is half done: call it again or remove it. Any
 * thread, needs root. */
gboolean
moss_layer_apply (GBytes *index, int content_fd, int upper_dirfd, GError **error);

/* The same, and remembers in *applied what upper_dirfd holds now, so that a later call need
 * not look at what stays as it is. *applied: NULL, or what an earlier call left, when
 * nobody but that call changed upper_dirfd since. Its content is nobody's business; free with
 * g_ptr_array_unref(). NULL after a failure. */
gboolean moss_layer_apply_again (GBytes *index,
                                 int content_fd,
                                 int upper_dirfd,
                                 GPtrArray **applied,
                                 GError **error);

G_END_DECLS
