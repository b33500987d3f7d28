/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: images are written to and read from a directory on a tmpfs that only sandboxd sees.
 * What a caller hands in must be sealed memfds, or pages in a file of ours that nobody can make
 * larger or smaller any more (room.c); it is copied there, checked whole, and only then given to
 * CRIU. What a caller gets are read-only descriptors of files that have no name any
 * more. A failed dump leaves the app running, a failed restore leaves no process. */

#include "travel.h"
#include "criu-rpc.h"
#include "display-connect.h"
#include "core/fault.h"
#include "error.h"
#include "sandbox-limits.h"
#include "fds.h"
#include "image-check.h"
#include "image-mend.h"
#include "image-pack.h"
#include "layer.h"
#include "listeners.h"
#include "net-bind.h"
#include "network.h"
#include "room.h"
#include "sandbox-cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_IMAGES 240 /* what one message carries of descriptors, less two */
#define MAX_ALONE 200  /* beside a pack */
#define MAX_IMAGE_BYTES (16ull << 30)
#define MAX_EXTRA_FILES 65536
#define MAX_TRIES 4
#define RETRY_US 20000
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- errors of the library in words of the interface --------------------------------- */

static int
translate (const GError *from)
{
  if (g_error_matches (from, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_NOT_TRAVELABLE)
      || g_error_matches (from, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_NOT_TRAVELABLE))
    return MOSS_SANDBOX_ERROR_NOT_TRAVELABLE;
  if (g_error_matches (from, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_INCOMPATIBLE)
      || g_error_matches (from, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_MISSING)
      || g_error_matches (from, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_FOREIGN))
    return MOSS_SANDBOX_ERROR_INCOMPATIBLE;
  if (g_error_matches (from, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_MISSING))
    return MOSS_SANDBOX_ERROR_NOT_FOUND;
  if (g_error_matches (from, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_FAILED)
      || g_error_matches (from, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_FAILED))
    return MOSS_SANDBOX_ERROR_FAILED;
  if (from->domain == MOSS_LAYER_ERROR || from->domain == MOSS_IMAGE_ERROR)
    return MOSS_SANDBOX_ERROR_CORRUPT;
  return MOSS_SANDBOX_ERROR_FAILED;
}

/* Always returns FALSE. */
static gboolean
fail (GError **error, GError *from)
{
  if (from->domain == MOSS_SANDBOX_ERROR)
    {
      g_propagate_error (error, from);
      return FALSE;
    }
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, translate (from), from->message);
  g_error_free (from);
  return FALSE;
}

/* ---- directories of images ----------------------------------------------------------- */

typedef struct
{
  char *path;
  int fd;
  char *shown; /* the image that is a mount, or NULL */
} ImageDir;

static gboolean
image_dir_open (ImageDir *dir, MossSandbox *sandbox, GError **error)
{
  const MossRegistryPaths *paths = moss_registry_get_paths (sandbox->registry);

  dir->path = g_strdup_printf ("%s/images/%s-XXXXXX", paths->private_dir, sandbox->key);
  dir->fd = g_mkdtemp (dir->path) != NULL ? open (dir->path, O_DIRECTORY | O_CLOEXEC) : -1;
  if (dir->fd >= 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't make a directory for images");
}

static void
image_dir_empty (ImageDir *dir)
{
  g_autoptr (GDir) entries = dir->path != NULL ? g_dir_open (dir->path, 0, NULL) : NULL;
  const char *name;

  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    unlinkat (dir->fd, name, 0);
}

static void
image_dir_clear (ImageDir *dir)
{
  if (dir->shown != NULL)
    umount2 (dir->shown, MNT_DETACH | UMOUNT_NOFOLLOW);
  image_dir_empty (dir);
  g_free (dir->shown);
  if (dir->path != NULL)
    rmdir (dir->path);
  moss_fd_cleanup (&dir->fd);
  g_free (dir->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ImageDir, image_dir_clear)

static gboolean
is_image (const char *name)
{
  return g_str_has_suffix (name, ".img");
}

typedef struct
{
  char *name;
  guint64 size;
} Image;

static void
image_free (gpointer data)
{
  Image *image = data;

  g_free (image->name);
  g_free (image);
}

/* The largest first, and before them the list of files, which callers read. */
static int
compare_images (gconstpointer a, gconstpointer b)
{
  const Image *x = *(const Image *const *) a, *y = *(const Image *const *) b;
  gboolean x_files = g_str_equal (x->name, "files.img");
  gboolean y_files = g_str_equal (y->name, "files.img");

  if (x_files != y_files)
    return x_files ? -1 : 1;
  return x->size > y->size ? -1 : x->size < y->size ? 1 : strcmp (x->name, y->name);
}

static GPtrArray *
list_images (ImageDir *dir, GError **error)
{
  g_autoptr (GDir) entries = g_dir_open (dir->path, 0, error);
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (image_free);
  const char *name;
  struct stat st;

  if (entries == NULL)
    return NULL;
  while ((name = g_dir_read_name (entries)) != NULL)
    if (is_image (name) && fstatat (dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
      {
        Image *image = g_new (Image, 1);

        *image = (Image) { g_strdup (name), st.st_size };
        g_ptr_array_add (images, image);
      }
  g_ptr_array_sort (images, compare_images);
  return g_steal_pointer (&images);
}

static gboolean
answer_image (MossRequest *request, GVariantBuilder *builder, const char *name, int fd,
              guint64 size, GError **error)
{
  int index;

  if (fd < 0)
    return error != NULL && *error != NULL
               ? FALSE
               : moss_sandbox_fail_errno (error, errno, "Can't open the image %s", name);
  index = moss_request_add_fd (request, fd, error);
  if (index >= 0)
    g_variant_builder_add (builder, "(sht)", name, index, size);
  return index >= 0;
}

static int
pack_images (ImageDir *dir, GPtrArray *images, guint first, guint64 *size, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GError) local = NULL;
  int fd;

  for (guint i = first; i < images->len; i++)
    g_ptr_array_add (names, ((Image *) images->pdata[i])->name);
  g_ptr_array_add (names, NULL);
  fd = moss_image_pack (dir->fd, (const char *const *) names->pdata, size, &local);
  if (fd < 0)
    fail (error, g_steal_pointer (&local));
  return fd;
}

/* Each image as a read-only descriptor in the answer; of very many the small ones in one. */
static GVariant *
collect_images (MossRequest *request, ImageDir *dir, GError **error)
{
  g_autoptr (GPtrArray) images = list_images (dir, error);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sht)"));
  guint n_alone;
  guint64 size;

  if (images == NULL)
    return NULL;
  n_alone = images->len <= MAX_IMAGES ? images->len : MAX_ALONE;
  for (guint i = 0; i < n_alone; i++)
    {
      const Image *image = images->pdata[i];
      int fd = openat (dir->fd, image->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

      if (!answer_image (request, &builder, image->name, fd, image->size, error))
        return NULL;
    }
  if (n_alone < images->len)
    {
      int fd = pack_images (dir, images, n_alone, &size, error);

      if (!answer_image (request, &builder, MOSS_IMAGE_PACK, fd, size, error))
        return NULL;
    }
  return g_variant_builder_end (&builder);
}

static gboolean
check_sealed (int fd, guint64 size, const char *what, GError **error)
{
  struct stat st;
  int seals = fcntl (fd, F_GET_SEALS);

  if (seals >= 0 && (seals & SEALS) == SEALS && fstat (fd, &st) == 0
      && (guint64) st.st_size == size)
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
               "%s is not a sealed memfd of the size that was said", what);
  return FALSE;
}

static gboolean
check_image_name (const char *name, GError **error)
{
  if (moss_image_name_is_good (name))
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_CORRUPT,
               "\"%.100s\" is no name of an image", name);
  return FALSE;
}

/* Of the memory's pages only the number matters to the check: they are copied while the layer is
 * applied and CRIU makes the namespaces. */
static gboolean
is_pages (const char *name)
{
  return g_str_has_prefix (name, "pages-");
}

static gboolean
make_image (MossRequest *request, MossSandbox *sandbox, ImageDir *dir, const char *name,
            gint32 handle, guint64 size, GError **error)
{
  moss_autofd from = moss_request_get_fd (request, handle, error);
  moss_autofd to = -1, room = -1;
  GError *local = NULL;

  if (from < 0 || !check_image_name (name, error))
    return FALSE;
  room = is_pages (name) ? moss_room_take (sandbox, from, size, &local) : -1;
  if (room >= 0)
    {
      dir->shown = g_build_filename (dir->path, name, NULL);
      return moss_room_show (sandbox, room, dir->shown, error);
    }
  if (local != NULL)
    {
      g_propagate_error (error, local);
      return FALSE;
    }
  if (!check_sealed (from, size, name, error))
    return FALSE;
  to = openat (dir->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (to >= 0 && ftruncate (to, size) == 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "There is no room for the image %s", name);
}

/* It lies there already: it was written into the room that was made for it. */
static gboolean
is_there (int from, ImageDir *dir, const char *name)
{
  struct stat a, b;

  return fstat (from, &a) == 0 && fstatat (dir->fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0
         && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static gboolean
copy_image (MossRequest *request, ImageDir *dir, const char *name, gint32 handle, guint64 size,
            GError **error)
{
  moss_autofd from = moss_request_get_fd (request, handle, error);
  moss_autofd to = -1;
  off_t offset = 0;

  if (from < 0)
    return FALSE;
  if (is_there (from, dir, name))
    return TRUE;
  to = openat (dir->fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  while (to >= 0 && (guint64) offset < size)
    if (sendfile (to, from, &offset, MIN (size - offset, 1u << 30)) <= 0)
      break;
  if (to >= 0 && (guint64) offset == size)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't copy the image %s", name);
}

static gboolean
unpack_images (MossRequest *request, ImageDir *dir, gint32 handle, guint64 size, GError **error)
{
  moss_autofd from = moss_request_get_fd (request, handle, error);
  g_autoptr (GError) local = NULL;

  if (from < 0 || !check_sealed (from, size, MOSS_IMAGE_PACK, error))
    return FALSE;
  return moss_image_unpack (from, size, dir->fd, &local)
         || fail (error, g_steal_pointer (&local));
}

/* Every image in its size, and the content of those that are no pages. */
static gboolean
take_image (MossRequest *request, MossSandbox *sandbox, ImageDir *dir, const char *name,
            gint32 handle, guint64 size, GError **error)
{
  if (g_str_equal (name, MOSS_IMAGE_PACK))
    return unpack_images (request, dir, handle, size, error);
  return make_image (request, sandbox, dir, name, handle, size, error)
         && (is_pages (name) || copy_image (request, dir, name, handle, size, error));
}

static gboolean
make_images (MossRequest *request, MossSandbox *sandbox, GVariant *images, ImageDir *dir,
             GError **error)
{
  GVariantIter iter;
  const char *name;
  gint32 handle;
  guint64 size, total = 0;

  if (g_variant_iter_init (&iter, images) > MAX_IMAGES)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
                   "There are more than %d images", MAX_IMAGES);
      return FALSE;
    }
  while (g_variant_iter_next (&iter, "(&sht)", &name, &handle, &size))
    {
      if (size > MAX_IMAGE_BYTES || (total += size) > MAX_IMAGE_BYTES)
        {
          g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
                               "The images are too large");
          return FALSE;
        }
      if (!take_image (request, sandbox, dir, name, handle, size, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
copy_pages (MossRequest *request, GVariant *images, ImageDir *dir, GError **error)
{
  GVariantIter iter;
  const char *name;
  gint32 handle;
  guint64 size;

  g_variant_iter_init (&iter, images);
  while (g_variant_iter_next (&iter, "(&sht)", &name, &handle, &size))
    if (is_pages (name) && !copy_image (request, dir, name, handle, size, error))
      return FALSE;
  return TRUE;
}

/* ---- layers -------------------------------------------------------------------------- */

static int
open_runtime (MossSandbox *sandbox, GError **error)
{
  const char *root = moss_registry_get_paths (sandbox->registry)->root_dir;
  int fd = open (root, O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    moss_sandbox_fail_errno (error, errno, "Can't open the runtime %s", root);
  return fd;
}

static int
make_memfd (GBytes *bytes, GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  int fd = memfd_create ("moss-layer-index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gsize done = 0;

  while (fd >= 0 && done < size)
    {
      gssize n = write (fd, data + done, size - done);

      if (n <= 0)
        break;
      done += n;
    }
  if (fd >= 0 && done == size && fcntl (fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0)
    return fd;
  moss_sandbox_fail_errno (error, errno, "Can't keep a layer in memory");
  moss_fd_cleanup (&fd);
  return -1;
}

/* The layer as two indices into the answer's descriptors. Takes content. */
static gboolean
answer_layer (MossRequest *request, GBytes *index, int content, int handles[2], GError **error)
{
  int fd = make_memfd (index, error);

  if (fd < 0)
    {
      close (content);
      return FALSE;
    }
  handles[0] = moss_request_add_fd (request, fd, error);
  handles[1] = moss_request_add_fd (request, content, handles[0] < 0 ? NULL : error);
  return handles[0] >= 0 && handles[1] >= 0;
}

/* Maps an index that nobody can change any more. */
static GBytes *
read_index (MossRequest *request, gint32 handle, GError **error)
{
  moss_autofd fd = moss_request_get_fd (request, handle, error);
  struct stat st;
  g_autofree char *data = NULL;

  if (fd < 0 || fstat (fd, &st) != 0 || !check_sealed (fd, st.st_size, "The layer's index", error))
    return NULL;
  if (st.st_size > MOSS_LAYER_MAX_INDEX)
    {
      g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
                           "The layer's index is too large");
      return NULL;
    }
  data = g_malloc (st.st_size + 1);
  if (pread (fd, data, st.st_size, 0) == st.st_size)
    return g_bytes_new_take (g_steal_pointer (&data), st.st_size);
  moss_sandbox_fail_errno (error, errno, "Can't read the layer's index");
  return NULL;
}

static gboolean
apply_layer (MossRequest *request, MossSandbox *sandbox, gint32 index_handle,
             gint32 content_handle, GError **error)
{
  g_autoptr (GBytes) index = read_index (request, index_handle, error);
  g_autoptr (GError) local = NULL;
  moss_autofd content = -1;
  struct stat st;

  if (index == NULL || (content = moss_request_get_fd (request, content_handle, error)) < 0
      || fstat (content, &st) != 0
      || !check_sealed (content, st.st_size, "The layer's content", error))
    return FALSE;
  if (moss_layer_apply_again (index, content, sandbox->upper_fd, &sandbox->applied, &local))
    return TRUE;
  return fail (error, g_steal_pointer (&local));
}

static gboolean
check_extra_files (GStrv files, GError **error)
{
  guint n = g_strv_length (files);

  for (guint i = 0; i < n && n <= MAX_EXTRA_FILES; i++)
    if (files[i][0] != '/' || strlen (files[i]) > 4095)
      n = MAX_EXTRA_FILES + 1;
  if (n <= MAX_EXTRA_FILES)
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                       "The extra files are too many or not absolute paths");
  return FALSE;
}

GVariant *
moss_travel_read_layer (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_autoptr (GBytes) index = NULL;
  g_autoptr (GError) local = NULL;
  g_auto (GStrv) extra_files = NULL;
  moss_autofd runtime = -1;
  const char *id;
  int content, handles[2];

  g_variant_get (request->parameters, "(&s^aay)", &id, &extra_files);
  if (!check_extra_files (extra_files, error))
    return NULL;
  sandbox = moss_registry_acquire (request->registry, request->caller, id, error);
  if (sandbox == NULL || !moss_sandbox_open_files (sandbox, FALSE, error)
      || (runtime = open_runtime (sandbox, error)) < 0)
    return NULL;
  if (!moss_layer_export (sandbox->upper_fd, runtime, (const char *const *) extra_files, TRUE,
                          &index, &content, &local))
    {
      fail (error, g_steal_pointer (&local));
      return NULL;
    }
  if (!answer_layer (request, index, content, handles, error))
    return NULL;
  return g_variant_new ("(hh)", handles[0], handles[1]);
}

GVariant *
moss_travel_prepare (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  const char *id;
  gint32 index, content;

  g_variant_get (request->parameters, "(&shh)", &id, &index, &content);
  sandbox = moss_registry_acquire_arriving (request->registry, request->caller, id, error);
  if (sandbox == NULL)
    return NULL;
  if (sandbox->alive)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_STATE,
                   "%s is running here; its files can't be replaced", sandbox->name);
      return NULL;
    }
  if (!moss_sandbox_open_files (sandbox, TRUE, error)
      || !moss_sandbox_clear_work (sandbox, error)
      || !apply_layer (request, sandbox, index, content, error))
    return NULL;
  return g_variant_new ("()");
}

/* ---- dump ---------------------------------------------------------------------------- */

typedef struct
{
  MossSandbox *sandbox;
  GStrv extra_files;
  int runtime;
  ImageDir *dir;
  GPtrArray *listeners; /* to be put back, or NULL */
  GThread *reader;
  GBytes *index;
  int content;
  gint64 layer_us;
  GError *layer_error;
} Dump;

static gboolean
before_freeze (gpointer data, GError **error)
{
  Dump *dump = data;

  g_clear_pointer (&dump->listeners, g_ptr_array_unref);
  dump->listeners = moss_listeners_find (dump->sandbox);
  if (!moss_display_detach_all (dump->sandbox->pid, error))
    return FALSE;
  moss_network_stop (dump->sandbox);
  return moss_fault_error ("sandboxd.dump.detached", error);
}

static gpointer
read_layer_thread (gpointer data)
{
  Dump *dump = data;
  gint64 start = g_get_monotonic_time ();

  /* Of this thread only: the app stands still meanwhile. */
  setpriority (PRIO_PROCESS, 0, -15);
  moss_layer_export (dump->sandbox->upper_fd, dump->runtime,
                     (const char *const *) dump->extra_files, FALSE, &dump->index, &dump->content,
                     &dump->layer_error);
  dump->layer_us += g_get_monotonic_time () - start;
  return NULL;
}

/* The files stand still from here on: they are read while CRIU writes the images. */
static gboolean
on_stopped (gpointer data, GError **error)
{
  Dump *dump = data;

  moss_listeners_put_back (dump->sandbox, dump->listeners);
  dump->reader = g_thread_new ("read-layer", read_layer_thread, dump);
  return TRUE;
}

static void
forget_layer (Dump *dump)
{
  if (dump->reader != NULL)
    g_thread_join (g_steal_pointer (&dump->reader));
  g_clear_pointer (&dump->index, g_bytes_unref);
  moss_fd_cleanup (&dump->content);
  dump->content = -1;
  g_clear_error (&dump->layer_error);
}

static gboolean
on_frozen (gpointer data, GError **error)
{
  Dump *dump = data;

  if (dump->reader == NULL || moss_criu_has_remaps (dump->dir->fd))
    {
      forget_layer (dump);
      on_stopped (dump, NULL);
    }
  g_thread_join (g_steal_pointer (&dump->reader));
  if (dump->layer_error == NULL)
    return moss_fault_error ("sandboxd.dump.frozen", error);
  g_propagate_error (error, g_steal_pointer (&dump->layer_error));
  return FALSE;
}

/* What a request needed besides CRIU's work. */
typedef struct
{
  gint64 copy_us;
  gint64 check_us;
  gint64 layer_us;
} Costs;

static GVariant *
make_stats (const MossCriuStats *stats, const Costs *costs)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "copy-us", "x", costs->copy_us);
  g_variant_dict_insert (&dict, "check-us", "x", costs->check_us);
  g_variant_dict_insert (&dict, "started-us", "x", stats->started_us);
  g_variant_dict_insert (&dict, "frozen-at-us", "x", stats->frozen_at_us);
  g_variant_dict_insert (&dict, "done-us", "x", g_get_monotonic_time ());
  g_variant_dict_insert (&dict, "criu-us", "x", stats->done_at_us - stats->started_us);
  g_variant_dict_insert (&dict, "layer-us", "x", costs->layer_us);
  g_variant_dict_insert (&dict, "pages", "t", stats->pages);
  return g_variant_dict_end (&dict);
}

/* CRIU gives up on a process with threads that it meets in the middle of its end. */
static gboolean
is_passing (const GError *error)
{
  return g_error_matches (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_FAILED)
         && strstr (error->message, "Zombies with threads") != NULL;
}

static gboolean
run_dump (Dump *dump, ImageDir *dir, MossCriuStats *stats, GError **error)
{
  MossCriuConfig config;

  moss_travel_fill_config (&config, dump->sandbox);
  config.stopped = on_stopped;
  config.frozen = on_frozen;
  config.hook_data = dump;
  for (int tries = 1;; tries++)
    {
      g_autoptr (GError) local = NULL;

      if (moss_criu_dump (&config, dump->sandbox->pid, dir->fd, dump->sandbox->cgroup_fd,
                          before_freeze, dump, stats, &local))
        return TRUE;
      forget_layer (dump);
      if (!is_passing (local) || tries == MAX_TRIES)
        return fail (error, g_steal_pointer (&local));
      image_dir_empty (dir);
      g_usleep (RETRY_US);
    }
}

/* What is in the answer when all went well; NULL leaves the app frozen: the caller thaws. */
static GVariant *
answer_dump (MossRequest *request, Dump *dump, ImageDir *dir, const MossCriuStats *stats,
             GError **error)
{
  g_autoptr (GVariant) images = collect_images (request, dir, error);
  int handles[2];

  if (images == NULL)
    return NULL;
  g_variant_ref_sink (images);
  if (!answer_layer (request, dump->index, g_steal_fd (&dump->content), handles, error))
    return NULL;
  return g_variant_new ("(@a(sht)hh@a{sv})", images, handles[0], handles[1],
                        make_stats (stats, &(Costs) { .layer_us = dump->layer_us }));
}

/* A frozen one can't be dumped: its tasks must run a little of CRIU's code. Thawing it for that is
 * the owner's decision, since it may be a copy that must not run. */
static gboolean
require_running (MossSandbox *sandbox, GError **error)
{
  if (!moss_sandbox_require_alive (sandbox, error))
    return FALSE;
  if (!moss_sandbox_cgroup_get_frozen (sandbox->cgroup_fd))
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_STATE,
               "%s is frozen; it must run to be dumped", sandbox->name);
  return FALSE;
}

GVariant *
moss_travel_dump (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_auto (GStrv) extra_files = NULL;
  g_auto (ImageDir) dir = { NULL, -1, NULL };
  const char *id;
  Dump dump = { .content = -1 };
  MossCriuStats stats;
  GVariant *answer = NULL;

  g_variant_get (request->parameters, "(&s^aay)", &id, &extra_files);
  sandbox = moss_registry_acquire (request->registry, request->caller, id, error);
  if (sandbox == NULL || !require_running (sandbox, error)
      || !check_extra_files (extra_files, error) || !moss_travel_require_criu (error)
      || !moss_sandbox_open_files (sandbox, FALSE, error))
    return NULL;
  moss_autofd runtime = open_runtime (sandbox, error);
  if (runtime < 0 || !image_dir_open (&dir, sandbox, error))
    return NULL;
  dump.sandbox = sandbox;
  dump.extra_files = extra_files;
  dump.runtime = runtime;
  dump.dir = &dir;
  if (run_dump (&dump, &dir, &stats, error))
    {
      if (moss_fault_error ("sandboxd.dump.done", error))
        answer = answer_dump (request, &dump, &dir, &stats, error);
      if (answer == NULL)
        moss_sandbox_cgroup_set_frozen (sandbox->cgroup_fd, FALSE, NULL);
    }
  if (answer == NULL)
    moss_network_start (sandbox, sandbox->pid);
  forget_layer (&dump);
  g_clear_pointer (&dump.listeners, g_ptr_array_unref);
  return answer;
}

/* ---- restore ------------------------------------------------------------------------- */

typedef struct
{
  MossRequest *request;
  GVariant *images;
  ImageDir *dir;
  GThread *thread;
  gint64 took_us;
  GError *error;
} PagesCopy;

static gpointer
copy_pages_thread (gpointer data)
{
  PagesCopy *copy = data;
  gint64 start = g_get_monotonic_time ();

  /* Of this thread only: the app stands still meanwhile. */
  setpriority (PRIO_PROCESS, 0, -15);
  copy_pages (copy->request, copy->images, copy->dir, &copy->error);
  copy->took_us = g_get_monotonic_time () - start;
  return NULL;
}

static void
begin_copy (PagesCopy *copy)
{
  copy->thread = g_thread_new ("copy-pages", copy_pages_thread, copy);
}

/* Waits for it, if nobody did. */
static gboolean
end_copy (gpointer data, GError **error)
{
  PagesCopy *copy = data;

  if (copy->thread != NULL)
    g_thread_join (g_steal_pointer (&copy->thread));
  if (copy->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&copy->error));
  return FALSE;
}

static gboolean
run_restore (MossSandbox *sandbox, ImageDir *dir, PagesCopy *copy, MossCriuStats *stats,
             GError **error)
{
  g_autofree char *root = NULL;
  g_autofree char *net = moss_net_bind_path (sandbox->registry, sandbox->owner, NULL);
  g_autoptr (GError) local = NULL;
  MossCriuConfig config;
  pid_t pid = 0;
  int pidfd = -1;
  gboolean ok;

  moss_travel_fill_config (&config, sandbox);
  config.net_path = net;
  config.before_pages = end_copy;
  config.hook_data = copy;
  if (!moss_sandbox_open_cgroup (sandbox, error) || !moss_sandbox_clear_work (sandbox, error)
      || (root = moss_sandbox_mount (sandbox, error)) == NULL)
    return FALSE;
  config.warm = moss_room_take_criu (sandbox);
  ok = moss_criu_restore (&config, dir->fd, root, sandbox->cgroup_fd, &pid, stats, &local);
  moss_sandbox_unmount (root);
  if (!ok)
    return fail (error, g_steal_pointer (&local));
  moss_fault ("sandboxd.restore.frozen");
  pidfd = syscall (SYS_pidfd_open, pid, 0);
  if (pidfd >= 0)
    {
      moss_limits_set_share (pidfd);
      return moss_sandbox_adopt (sandbox, pid, pidfd, error);
    }
  moss_sandbox_cgroup_kill (sandbox->cgroup_fd, NULL);
  return moss_sandbox_fail_errno (error, errno, "Can't hold on to the restored sandbox");
}

/* Leaves the pages' files empty. */
static gboolean
check_images (MossRequest *request, MossSandbox *sandbox, GVariant *images, ImageDir *dir,
              Costs *costs, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  g_autofree char *net = moss_net_bind_path (sandbox->registry, sandbox->owner, NULL);
  MossImagePolicy policy = *moss_image_policy_default ();
  g_autoptr (GError) local = NULL;

  if (!image_dir_open (dir, sandbox, error) || !make_images (request, sandbox, images, dir, error))
    return FALSE;
  policy.has_net = net != NULL;
  if (!moss_image_check (dir->fd, &policy, &local)
      || !moss_image_mend (dir->fd, &local))
    return fail (error, g_steal_pointer (&local));
  costs->check_us = g_get_monotonic_time () - start;
  return TRUE;
}

static gboolean
take_layer (MossRequest *request, MossSandbox *sandbox, gint32 index, gint32 content,
            Costs *costs, GError **error)
{
  gint64 start = g_get_monotonic_time ();

  if (!moss_sandbox_open_files (sandbox, TRUE, error)
      || !apply_layer (request, sandbox, index, content, error))
    return FALSE;
  costs->layer_us = g_get_monotonic_time () - start;
  return TRUE;
}

static gboolean
restore (MossRequest *request, MossSandbox *sandbox, GVariant *images, gint32 index,
         gint32 content, Costs *costs, MossCriuStats *stats, GError **error)
{
  g_auto (ImageDir) dir = { NULL, -1, NULL };
  PagesCopy copy = { .request = request, .images = images, .dir = &dir };
  gboolean ok;

  if (!check_images (request, sandbox, images, &dir, costs, error))
    return FALSE;
  begin_copy (&copy);
  ok = take_layer (request, sandbox, index, content, costs, error);
  if (ok)
    g_clear_pointer (&sandbox->applied, g_ptr_array_unref); /* CRIU may make names in it */
  ok = ok && moss_fault_error ("sandboxd.restore.layer", error)
       && run_restore (sandbox, &dir, &copy, stats, error);
  end_copy (&copy, NULL);
  costs->copy_us = copy.took_us;
  return ok;
}

GVariant *
moss_travel_restore (MossRequest *request, GError **error)
{
  g_autoptr (GVariant) images = NULL, dict = NULL;
  g_autoptr (MossSandboxOptions) options = NULL;
  g_autoptr (MossSandbox) sandbox = NULL;
  MossCriuStats stats;
  const char *id;
  gint32 index, content;
  Costs costs;
  gboolean ok;

  g_variant_get (request->parameters, "(&s@a(sht)hh@a{sv})", &id, &images, &index, &content,
                 &dict);
  options = moss_sandbox_options_parse (dict, MOSS_SANDBOX_OPTIONS_RESTORE, error);
  if (options == NULL || !moss_travel_require_criu (error)
      || (sandbox = moss_registry_acquire_arriving (request->registry, request->caller, id, error))
             == NULL)
    return NULL;
  if (sandbox->alive)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_STATE,
                   "%s is running here already", sandbox->name);
      return NULL;
    }
  g_free (sandbox->name);
  sandbox->name = g_strdup (options->name);
  sandbox->network = options->network;
  ok = restore (request, sandbox, images, index, content, &costs, &stats, error);
  moss_room_drop (sandbox);
  if (!ok)
    return NULL;
  return g_variant_new ("(@a{sv})", make_stats (&stats, &costs));
}
