/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: files go in and out of the app's home only, and only regular ones. The app arranges its
 * home as it likes while we look: no link is followed, ".." leads nowhere, a fifo does not
 * make us wait, and sizes are bounded. A file that comes in never replaces one that is there. */

#include "files.h"
#include "base.h"
#include "error.h"
#include "fds.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define HOME_IN_UPPER "home/moss"
#define MAX_FILE_BYTES (4ull << 30)
#define MAX_LISTED 10000
#define MAX_SAME_NAME 1000

static int
open_beneath (int dir_fd, const char *path, int flags)
{
  struct open_how how = {
    .flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
  };

  return syscall (SYS_openat2, dir_fd, path, &how, sizeof how);
}

/* The home in the upper directory: the base hides the runtime's, so all of it is there. */
static int
open_home (MossSandbox *sandbox, GError **error)
{
  int fd;

  if (!moss_sandbox_open_files (sandbox, FALSE, error))
    return -1;
  fd = open_beneath (sandbox->upper_fd, HOME_IN_UPPER, O_RDONLY | O_DIRECTORY);
  if (fd < 0)
    moss_sandbox_fail_errno (error, errno, "Can't open the home of %s", sandbox->name);
  return fd;
}

static MossSandbox *
acquire (MossRequest *request, GError **error)
{
  const char *id;

  g_variant_get_child (request->parameters, 0, "&s", &id);
  return moss_registry_acquire (request->registry, request->caller, id, error);
}

/* ---- list ---------------------------------------------------------------------------- */

typedef struct
{
  GVariantBuilder *builder;
  guint n;
} Listing;

static gboolean
on_listed (MossWalkStep step, int dir_fd, const char *name, const char *path,
           const struct stat *st, gpointer data)
{
  Listing *listing = data;
  GVariantDict dict;

  if (step == MOSS_WALK_AFTER)
    return TRUE;
  if (name[0] == '.')
    return step == MOSS_WALK_ENTRY;
  if (step == MOSS_WALK_BEFORE || !S_ISREG (st->st_mode))
    return TRUE;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "path", g_variant_new_bytestring (path));
  g_variant_dict_insert (&dict, "size", "t", (guint64) st->st_size);
  g_variant_dict_insert (&dict, "mtime", "x",
                         st->st_mtim.tv_sec * G_GINT64_CONSTANT (1000000000)
                             + st->st_mtim.tv_nsec);
  g_variant_builder_add_value (listing->builder, g_variant_dict_end (&dict));
  return ++listing->n < MAX_LISTED;
}

GVariant *
moss_files_list (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = acquire (request, error);
  moss_autofd home = sandbox != NULL ? open_home (sandbox, error) : -1;
  GVariantBuilder builder;
  Listing listing = { &builder, 0 };

  if (home < 0)
    return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  moss_walk (home, on_listed, &listing);
  return g_variant_new ("(aa{sv})", &builder);
}

/* ---- copies -------------------------------------------------------------------------- */

static gboolean
copy (int from, int to, guint64 size, GError **error)
{
  off_t offset = 0;

  while ((guint64) offset < size)
    {
      gssize n = sendfile (to, from, &offset, MIN (size - offset, 16u << 20));

      if (n < 0)
        return moss_sandbox_fail_errno (error, errno, "Can't copy the file");
      if (n == 0)
        break; /* became shorter */
    }
  return TRUE;
}

/* A sealed copy, so that nobody changes it while the other side reads. */
static int
copy_to_memfd (int from, GError **error)
{
  moss_autofd fd = -1;
  struct stat st;

  if (fstat (from, &st) != 0 || !S_ISREG (st.st_mode) || (guint64) st.st_size > MAX_FILE_BYTES)
    {
      g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_DENIED,
                           "Only regular files of at most 4 GiB can be handed over");
      return -1;
    }
  fd = memfd_create ("moss-file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    {
      moss_sandbox_fail_errno (error, errno, "Can't make room for a copy of the file");
      return -1;
    }
  if (!copy (from, fd, st.st_size, error))
    return -1;
  fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  return g_steal_fd (&fd);
}

GVariant *
moss_files_read (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = acquire (request, error);
  moss_autofd home = sandbox != NULL ? open_home (sandbox, error) : -1;
  moss_autofd file = -1;
  const char *path;
  int fd, index;

  if (home < 0)
    return NULL;
  g_variant_get_child (request->parameters, 1, "^&ay", &path);
  file = open_beneath (home, path, O_RDONLY);
  if (file < 0)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_NOT_FOUND,
                   "There is no such file in the home of %s: %s", sandbox->name,
                   g_strerror (errno));
      return NULL;
    }
  fd = copy_to_memfd (file, error);
  if (fd < 0 || (index = moss_request_add_fd (request, fd, error)) < 0)
    return NULL;
  return g_variant_new ("(h)", index);
}

/* ---- write --------------------------------------------------------------------------- */

gboolean
moss_files_name_is_valid (const char *name)
{
  gsize length = strlen (name);

  if (length == 0 || length > 240 || name[0] == '.')
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (name[i] == '/' || (guint8) name[i] < 0x20 || name[i] == 0x7f)
      return FALSE;
  return TRUE;
}

/* While it runs the file must come through its own mount: an overlay does not see what is
 * put below it. */
static int
open_live_home (MossSandbox *sandbox, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/root", sandbox->pid);
  moss_autofd root = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int fd = root < 0 ? -1 : open_beneath (root, HOME_IN_UPPER, O_RDONLY | O_DIRECTORY);

  if (fd < 0)
    moss_sandbox_fail_errno (error, errno, "Can't open the home of %s", sandbox->name);
  return fd;
}

static gboolean
is_new (MossSandbox *sandbox)
{
  return !sandbox->alive && sandbox->upper_fd < 0;
}

/* "letter.txt", "letter (2).txt" … the first that is free. */
static int
create_file (int home, const char *name, char **taken, GError **error)
{
  const char *dot = strrchr (name, '.');
  int stem = dot != NULL && dot != name ? dot - name : (int) strlen (name);

  for (int i = 1; i <= MAX_SAME_NAME; i++)
    {
      g_autofree char *numbered
          = i == 1 ? g_strdup (name)
                   : g_strdup_printf ("%.*s (%d)%s", stem, name, i, name + stem);
      int fd = openat (home, numbered, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

      if (fd >= 0)
        {
          *taken = g_steal_pointer (&numbered);
          return fd;
        }
      if (errno != EEXIST)
        break;
    }
  moss_sandbox_fail_errno (error, errno, "Can't make a file in the home of the app");
  return -1;
}

static char *
put_file (int home, const char *name, int content, GError **error)
{
  const uid_t owner = MOSS_SANDBOX_FIRST_ID + MOSS_SANDBOX_APP_ID;
  g_autofree char *taken = NULL;
  moss_autofd fd = create_file (home, name, &taken, error);
  struct stat st;

  if (fd < 0)
    return NULL;
  if (fstat (content, &st) == 0 && copy (content, fd, st.st_size, error)
      && fchown (fd, owner, owner) == 0)
    return g_steal_pointer (&taken);
  if (error != NULL && *error == NULL)
    moss_sandbox_fail_errno (error, errno, "Can't hand the file to the app");
  unlinkat (home, taken, 0);
  return NULL;
}

GVariant *
moss_files_write (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_autofree char *taken = NULL, *path = NULL;
  moss_autofd given = -1;
  moss_autofd content = -1;
  moss_autofd home = -1;
  const char *id, *name;
  gint32 handle;

  g_variant_get (request->parameters, "(&s^&ayh)", &id, &name, &handle);
  if (!moss_files_name_is_valid (name))
    {
      g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                           "The file's name must be one component without control characters");
      return NULL;
    }
  /* Before any lock: the caller's file may be on a slow disk. */
  if ((given = moss_request_get_fd (request, handle, error)) < 0
      || (content = copy_to_memfd (given, error)) < 0)
    return NULL;
  sandbox = moss_registry_acquire_new (request->registry, request->caller, id, error);
  if (sandbox == NULL)
    return NULL;
  if (is_new (sandbox) && !moss_sandbox_make_files (sandbox, error))
    return NULL;
  home = sandbox->alive ? open_live_home (sandbox, error) : open_home (sandbox, error);
  if (home < 0 || (taken = put_file (home, name, content, error)) == NULL)
    return NULL;
  path = g_build_filename (MOSS_SANDBOX_HOME, taken, NULL);
  return g_variant_new ("(^ay)", path);
}
