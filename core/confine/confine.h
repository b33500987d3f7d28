// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>
#include <seccomp.h>
#include <sys/resource.h>

G_BEGIN_DECLS

/**
 * MossConfineRights:
 *
 * What Landlock can take from a process, and what a rule gives back below a path.
 * MOSS_CONFINE_SIGNAL: signals to processes that are not confined alike (no path gives it back).
 */
typedef enum
{
  MOSS_CONFINE_READ = 1 << 0,
  MOSS_CONFINE_WRITE = 1 << 1,
  MOSS_CONFINE_EXECUTE = 1 << 2,
  MOSS_CONFINE_SIGNAL = 1 << 3,
} MossConfineRights;

typedef struct _MossConfineFiles MossConfineFiles;

MossConfineFiles *moss_confine_files_new (MossConfineRights taken, GError **error);
MossConfineRights moss_confine_files_get_taken (MossConfineFiles *files);
gboolean moss_confine_files_allow (MossConfineFiles *files, const char *path,
                                   MossConfineRights rights, GError **error);
gboolean moss_confine_files_enter (MossConfineFiles *files, GError **error);
void moss_confine_files_free (MossConfineFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossConfineFiles, moss_confine_files_free)

/* A system call that is allowed where its argument, masked, is the value. */
typedef struct
{
  int call;
  guint argument;
  guint64 mask;
  guint64 value;
} MossConfineCall;

gboolean moss_confine_calls (const int *allowed, gsize n_allowed, const MossConfineCall *if_equal,
                             gsize n_if_equal, GError **error);

gboolean moss_confine_privileges (GError **error);
gboolean moss_confine_limit (int what, rlim_t most, GError **error);

G_END_DECLS
