/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_IMAGE_ERROR (moss_image_error_quark ())

typedef enum
{
  MOSS_IMAGE_ERROR_CORRUPT, /* not a well-formed image */
  MOSS_IMAGE_ERROR_DENIED,  /* well formed, but asks for something the policy forbids */
  MOSS_IMAGE_ERROR_FOREIGN, /* made for another architecture or by another CRIU */
  MOSS_IMAGE_ERROR_FAILED,  /* the directory could not be read */
} MossImageError;

GQuark moss_image_error_quark (void);

/* What stands in the images for the owner's files, which are mounted at /net. */
#define MOSS_IMAGE_NET_KEY "net"

typedef struct
{
  const char *path; /* as the app sees it: "/run" */
  const char *type; /* "tmpfs", "proc", "devpts", "overlay" */
} MossImageMount;

typedef struct
{
  const char *path; /* "/dev/null" */
  guint major, minor;
} MossImageDevice;

typedef struct
{
  guint32 first_id;             /* host id of id 0 inside: 1900019712 */
  guint32 n_ids;                /* 65536 */
  const MossImageMount *mounts; /* exactly these; ended by a NULL path; "/" among them */
  const MossImageDevice *devices; /* nodes that may be open; ended by a NULL path */
  guint64 init_capabilities;      /* what pid 1 may have, as bits; all others: none */
  gboolean has_net;               /* this machine can put the owner's files at /net */
  gboolean need_seccomp;          /* every task but pid 1 must carry our filter (filter.h) */
  guint64 max_bytes;              /* all images together */
  guint max_tasks;                /* processes and threads; at most 2^22 */
} MossImagePolicy;

/* The policy of a sandbox made by moss-sandboxd of this version. Static, never freed. */
const MossImagePolicy *moss_image_policy_default (void);

/* Reads every file in images_dirfd and refuses what root must not act on. It must be
 * called on files that nobody else can change any more (sandboxd's own copies). The
 * message names the image file and the reason. Any thread. */
gboolean
moss_image_check (int images_dirfd, const MossImagePolicy *policy, GError **error);

/* The same for one image held in memory; only what can be said about it alone. For tests,
 * fuzzers and early refusal. */
gboolean moss_image_check_one (const char *name,
                               const guint8 *data,
                               gsize size,
                               const MossImagePolicy *policy,
                               GError **error);

G_END_DECLS
