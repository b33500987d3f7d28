// SPDX-License-Identifier: GPL-3.0-or-later
/* Objects between this session, the store and other devices. Each call works in a thread of
 * its own: the main context never waits for a disk or for another device. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/transfer.h"

#include "core/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_KEPT ((guint64) 256 * 1024 * 1024)
#define PUSHED_MAX ((guint64) 8 * 1024 * 1024 * 1024)

enum
{
  JOBS_MAX = 64,
  SYNC_AFTER_S = 5,
};

static gint running;

void
job_free (Job *job)
{
  g_clear_pointer (&job->argument, g_variant_unref);
  g_clear_pointer (&job->link, moss_link_unref);
  g_clear_object (&job->invocation);
  g_free (job->text);
  if (job->fd >= 0)
    close (job->fd);
  g_free (job);
}

static gpointer
run_job (gpointer data)
{
  Job *job = data;
  g_autoptr (GError) error = NULL;

  if (!job->run (job, &error))
    g_dbus_method_invocation_return_gerror (job->invocation, error);
  job->invocation = NULL; /* answering takes the reference */
  job_free (job);
  g_atomic_int_add (&running, -1);
  return NULL;
}

/* Takes the reference of @invocation that its handler was given. */
static Job *
job_new (Netd *netd, GDBusMethodInvocation *invocation, JobFunc run)
{
  Job *job = g_new0 (Job, 1);

  job->netd = netd;
  job->invocation = invocation;
  job->run = run;
  job->fd = -1;
  return job;
}

static void
job_fail (Job *job, GError *error)
{
  g_dbus_method_invocation_take_error (g_steal_pointer (&job->invocation), error);
  job_free (job);
}

static void
job_start (Job *job)
{
  if (g_atomic_int_add (&running, 1) >= JOBS_MAX)
    {
      g_atomic_int_add (&running, -1);
      job_fail (job, g_error_new (MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                                  "too many transfers at once"));
      return;
    }
  g_thread_unref (g_thread_new ("transfer", run_job, job));
}

static gboolean
job_take_device (Job *job, const char *id, GError **error)
{
  Device *device;

  if (*id == '\0')
    return TRUE;
  device = device_find (job->netd, id);
  if (device == NULL || !device->paired)
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   _ ("There is no device “%s”."), id);
      return FALSE;
    }
  if (device->link != NULL)
    job->link = moss_link_ref (device->link);
  return TRUE;
}

/* --- keeping the disk up with it --- */

static gpointer
sync_thread (gpointer data)
{
  g_autoptr (MossStore) store = data;
  g_autoptr (GError) error = NULL;

  if (!moss_store_sync (store, &error))
    g_warning ("%s", error->message);
  return NULL;
}

static gboolean
on_sync_due (gpointer data)
{
  Netd *netd = data;

  g_atomic_int_set (&netd->dirty, FALSE);
  g_thread_unref (g_thread_new ("sync", sync_thread, moss_store_ref (netd->store)));
  return G_SOURCE_REMOVE;
}

/* Any thread. */
void
transfer_note_stored (Netd *netd)
{
  if (g_atomic_int_compare_and_exchange (&netd->dirty, FALSE, TRUE))
    g_timeout_add_seconds (SYNC_AFTER_S, on_sync_due, netd);
}

/* --- what other devices want and send --- */

GBytes *
transfer_load (const MossId *id, gpointer user_data)
{
  Netd *netd = user_data;
  g_autoptr (GError) error = NULL;
  GBytes *sealed = moss_store_get_raw (netd->store, id, &error);

  if (sealed == NULL)
    g_debug ("%s", error->message);
  return sealed;
}

static gboolean
is_there_room (Netd *netd)
{
  struct statvfs fs;

  if (__atomic_load_n (&netd->push_bytes, __ATOMIC_RELAXED) > PUSHED_MAX)
    return FALSE;
  return statvfs (netd->state_dir, &fs) == 0 &&
         (guint64) fs.f_bavail * fs.f_frsize > ROOM_KEPT;
}

void
transfer_pushed (MossLink *link, GBytes *sealed, gpointer user_data)
{
  Netd *netd = user_data;
  g_autoptr (GError) error = NULL;

  if (!is_there_room (netd))
    {
      g_debug ("no room for an object that was pushed");
      return;
    }
  __atomic_add_fetch (&netd->push_bytes, g_bytes_get_size (sealed), __ATOMIC_RELAXED);
  if (moss_fault ("netd-push") ||
      !moss_store_put_raw (netd->store, sealed, NULL, NULL, &error))
    g_message ("an object that was pushed is not kept: %s",
               error != NULL ? error->message : "fault");
  transfer_note_stored (netd);
}

/* --- Put --- */

static gboolean
map_content (Job *job, const guint8 **base, gsize *size, GError **error)
{
  int seals = fcntl (job->fd, F_GET_SEALS);
  struct stat st;
  gpointer map;

  /* Not sealed, it could shrink or change below us. */
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
      (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0 || fstat (job->fd, &st) < 0 ||
      st.st_size < 0)
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   "the content is not a memfd that is sealed against writing and shrinking");
      return FALSE;
    }
  *size = st.st_size;
  *base = NULL;
  if (*size == 0)
    return TRUE;
  map = mmap (NULL, *size, PROT_READ, MAP_PRIVATE, job->fd, 0);
  if (map == MAP_FAILED)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "the content can't be mapped: %s", g_strerror (errno));
      return FALSE;
    }
  *base = map;
  return TRUE;
}

static GArray *
read_ranges (GVariant *variant, gsize size, GError **error)
{
  gsize count = g_variant_n_children (variant);
  g_autoptr (GArray) ranges =
      g_array_sized_new (FALSE, FALSE, sizeof (MossRange), MIN (count, TRANSFER_OBJECTS_MAX));

  for (gsize i = 0; i < count && i < TRANSFER_OBJECTS_MAX; i++)
    {
      MossRange range;

      g_variant_get_child (variant, i, "(tu)", &range.offset, &range.length);
      if (range.length == 0 || range.length > MOSS_OBJECT_MAX_PLAIN || range.offset > size ||
          range.length > size - range.offset)
        {
          g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                       "range %" G_GSIZE_FORMAT " is outside the content or too long", i);
          return NULL;
        }
      g_array_append_val (ranges, range);
    }
  if (ranges->len == count)
    return g_steal_pointer (&ranges);
  g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
               "%" G_GSIZE_FORMAT " objects at once are too many", count);
  return NULL;
}

/* From several threads, before the object is on this disk. */
static void
on_made (const MossId *id, GBytes *sealed, gpointer user_data)
{
  Job *job = user_data;

  if (job->link != NULL)
    moss_link_push (job->link, id, sealed);
}

static GVariant *
bytes32 (const guint8 *bytes)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, 32, 1);
}

static GVariant *
refs_to_variant (const MossRef *refs, gsize count)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayay)"));
  for (gsize i = 0; i < count; i++)
    g_variant_builder_add (&builder, "(@ay@ay)", bytes32 (refs[i].id.bytes),
                           bytes32 (refs[i].key));
  return g_variant_builder_end (&builder);
}

static gboolean
run_put (Job *job, GError **error)
{
  Netd *netd = job->netd;
  g_autoptr (GArray) ranges = NULL;
  g_autofree MossRef *refs = NULL;
  const guint8 *base = NULL;
  guint64 stored = 0;
  gboolean ok = FALSE;
  gsize size;

  if (!moss_fault_error ("netd-put", error) || !map_content (job, &base, &size, error))
    return FALSE;
  ranges = read_ranges (job->argument, size, error);
  if (ranges != NULL)
    {
      refs = g_new0 (MossRef, ranges->len);
      ok = moss_store_put_many (netd->store, base, (const MossRange *) ranges->data,
                                ranges->len, refs, &stored, on_made, job, error);
    }
  if (base != NULL)
    munmap ((gpointer) base, size);
  if (!ok)
    return FALSE;
  if (stored > 0)
    transfer_note_stored (netd);
  moss_dbus_net1_complete_put (netd->interface, job->invocation, NULL,
                               refs_to_variant (refs, ranges->len), stored);
  return TRUE;
}

static int
take_fd (GUnixFDList *fds, GVariant *handle, GError **error)
{
  int index = g_variant_get_handle (handle);

  if (fds != NULL && index >= 0 && index < g_unix_fd_list_get_length (fds))
    return g_unix_fd_list_get (fds, index, error);
  g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID, "no file was passed");
  return -1;
}

static gboolean
on_handle_put (MossDBusNet1 *interface,
               GDBusMethodInvocation *invocation,
               GUnixFDList *fds,
               GVariant *content,
               GVariant *ranges,
               const char *on_way_to,
               Netd *netd)
{
  Job *job = job_new (netd, invocation, run_put);
  GError *error = NULL;

  job->argument = g_variant_ref (ranges);
  job->fd = take_fd (fds, content, &error);
  if (job->fd < 0 || !job_take_device (job, on_way_to, &error))
    job_fail (job, error);
  else
    job_start (job);
  return TRUE;
}

/* --- Get --- */

static gboolean
on_handle_get (MossDBusNet1 *interface,
               GDBusMethodInvocation *invocation,
               GUnixFDList *fds,
               GVariant *refs,
               const char *device,
               Netd *netd)
{
  Job *job = job_new (netd, invocation, transfer_run_get);
  GError *error = NULL;

  job->argument = g_variant_ref (refs);
  if (!job_take_device (job, device, &error))
    job_fail (job, error);
  else
    job_start (job);
  return TRUE;
}

/* --- Missing, SetRoot, LinkBytes --- */

static gboolean
run_missing (Job *job, GError **error)
{
  g_autoptr (GArray) ids = moss_ids_from_variant (job->argument, G_MAXUINT32, error);
  guint missing = 0;

  if (ids == NULL)
    return FALSE;
  for (guint i = 0; i < ids->len; i++)
    {
      MossId *id = &g_array_index (ids, MossId, i);

      if (!moss_store_has (job->netd->store, id))
        g_array_index (ids, MossId, missing++) = *id;
    }
  moss_dbus_net1_complete_missing (
      job->netd->interface, job->invocation,
      moss_ids_to_variant ((const MossId *) ids->data, missing));
  return TRUE;
}

static gboolean
on_handle_missing (MossDBusNet1 *interface,
                   GDBusMethodInvocation *invocation,
                   GVariant *ids,
                   Netd *netd)
{
  Job *job = job_new (netd, invocation, run_missing);

  job->argument = g_variant_ref (ids);
  job_start (job);
  return TRUE;
}

static gboolean
run_set_root (Job *job, GError **error)
{
  g_autoptr (GArray) ids = moss_ids_from_variant (job->argument, G_MAXUINT32, error);

  if (ids == NULL || !moss_fault_error ("netd-set-root", error) ||
      !moss_store_set_root (job->netd->store, job->text, (const MossId *) ids->data, ids->len,
                            error))
    return FALSE;
  moss_dbus_net1_complete_set_root (job->netd->interface, job->invocation);
  return TRUE;
}

static gboolean
on_handle_set_root (MossDBusNet1 *interface,
                    GDBusMethodInvocation *invocation,
                    const char *name,
                    GVariant *ids,
                    Netd *netd)
{
  Job *job = job_new (netd, invocation, run_set_root);

  job->argument = g_variant_ref (ids);
  job->text = g_strdup (name);
  job_start (job);
  return TRUE;
}

static gboolean
on_handle_link_bytes (MossDBusNet1 *interface,
                      GDBusMethodInvocation *invocation,
                      const char *id,
                      Netd *netd)
{
  Device *device = device_find (netd, id);
  guint64 sent = 0, received = 0;

  if (device != NULL && device->link != NULL)
    moss_link_get_bytes (device->link, &sent, &received);
  moss_dbus_net1_complete_link_bytes (interface, invocation, sent, received);
  return TRUE;
}

/* --- collecting --- */

static gpointer
collect_thread (gpointer data)
{
  Netd *netd = data;
  g_autoptr (GError) error = NULL;
  guint64 freed;

  if (!moss_store_collect (netd->store, 3600, 256 * 1024 * 1024, &freed, &error))
    g_warning ("collecting what nobody needs: %s", error->message);
  __atomic_store_n (&netd->push_bytes, 0, __ATOMIC_RELAXED);
  return NULL;
}

static gboolean
on_collect_due (gpointer data)
{
  g_thread_unref (g_thread_new ("collect", collect_thread, data));
  return G_SOURCE_CONTINUE;
}

gboolean
transfer_is_idle (void)
{
  return g_atomic_int_get (&running) == 0;
}

void
transfer_export (Netd *netd)
{
  g_signal_connect (netd->interface, "handle-put", G_CALLBACK (on_handle_put), netd);
  g_signal_connect (netd->interface, "handle-get", G_CALLBACK (on_handle_get), netd);
  g_signal_connect (netd->interface, "handle-missing", G_CALLBACK (on_handle_missing), netd);
  g_signal_connect (netd->interface, "handle-set-root", G_CALLBACK (on_handle_set_root), netd);
  g_signal_connect (netd->interface, "handle-link-bytes", G_CALLBACK (on_handle_link_bytes),
                    netd);
  g_timeout_add_seconds (30 * 60, on_collect_due, netd);
}
