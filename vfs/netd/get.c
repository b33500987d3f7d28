// SPDX-License-Identifier: GPL-3.0-or-later
/* Get: objects from the store, and what is missing there from another device.
 *
 * Everything that is missing is asked for at once; while it streams in, what is already there
 * is decrypted and unpacked straight into the memfd that the caller gets, a window of objects
 * at a time, on all processors. What came over the wire is checked against its id and stored
 * before it is used. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/transfer.h"

#include "core/fault.h"
#include "core/parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  WINDOW = 32,
};

typedef enum
{
  EXPECTED,
  ARRIVED,
  ABSENT,
} Arrival;

/* One request to the other device; shared with the link's threads. */
typedef struct
{
  gatomicrefcount refs;
  Netd *netd;
  GArray *ids;
  GMutex lock; /* everything below */
  GCond changed;
  guint8 *arrivals;
  gboolean gone; /* the link broke */
  guint64 wire_bytes;
  GError *error;
} Fetch;

typedef struct
{
  Job *job;
  GArray *refs;
  gint64 *wanted; /* for each ref: its place in the fetch, -1: was here */
  Fetch *fetch;   /* nullable */
  guint64 request;
  guint64 wire_bytes; /* of single objects fetched later */
  guint8 *base;
  guint64 *offsets;
  guint32 *lengths;
  guint64 total;
  /* the window */
  gsize first;
  MossUnsealed unsealed[WINDOW];
  GError *errors[WINDOW];
} Get;

static Fetch *
fetch_new (Netd *netd, GArray *ids)
{
  Fetch *fetch = g_new0 (Fetch, 1);

  g_atomic_ref_count_init (&fetch->refs);
  fetch->netd = netd;
  fetch->ids = g_array_ref (ids);
  fetch->arrivals = g_new0 (guint8, ids->len);
  g_mutex_init (&fetch->lock);
  g_cond_init (&fetch->changed);
  return fetch;
}

static Fetch *
fetch_ref (Fetch *fetch)
{
  g_atomic_ref_count_inc (&fetch->refs);
  return fetch;
}

static void
fetch_unref (gpointer data)
{
  Fetch *fetch = data;

  if (!g_atomic_ref_count_dec (&fetch->refs))
    return;
  g_array_unref (fetch->ids);
  g_free (fetch->arrivals);
  g_clear_error (&fetch->error);
  g_mutex_clear (&fetch->lock);
  g_cond_clear (&fetch->changed);
  g_free (fetch);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fetch, fetch_unref)

static void
on_arrived (gsize index, GBytes *sealed, guint64 wire_bytes, gpointer user_data)
{
  Fetch *fetch = user_data;
  GError *error = NULL;
  gboolean kept = FALSE;

  if (sealed != NULL && index < fetch->ids->len)
    kept = moss_store_put_raw (fetch->netd->store, sealed,
                               &g_array_index (fetch->ids, MossId, index), NULL, &error);
  g_mutex_lock (&fetch->lock);
  fetch->wire_bytes += wire_bytes;
  if (index < fetch->ids->len)
    fetch->arrivals[index] = kept ? ARRIVED : ABSENT;
  else
    fetch->gone = TRUE;
  if (error != NULL && fetch->error == NULL)
    fetch->error = g_steal_pointer (&error);
  g_cond_broadcast (&fetch->changed);
  g_mutex_unlock (&fetch->lock);
  g_clear_error (&error);
}

static Fetch *
fetch_start (Job *job, GArray *ids, guint64 *request, GError **error)
{
  g_autoptr (Fetch) fetch = fetch_new (job->netd, ids);

  if (moss_link_fetch (job->link, (const MossId *) ids->data, ids->len, on_arrived,
                       fetch_ref (fetch), fetch_unref, request, error))
    return g_steal_pointer (&fetch);
  fetch_unref (fetch);
  return NULL;
}

/* Waits for one object. Returns FALSE with the error set, or FALSE without: it isn't there. */
static gboolean
fetch_wait (Fetch *fetch, gsize index, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fetch->lock);

  while (fetch->arrivals[index] == EXPECTED && !fetch->gone && fetch->error == NULL)
    g_cond_wait (&fetch->changed, &fetch->lock);
  if (fetch->arrivals[index] == ARRIVED)
    return TRUE;
  if (fetch->error != NULL)
    g_propagate_error (error, g_error_copy (fetch->error));
  else if (fetch->gone)
    g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_AWAY,
                 "the connection broke while objects were fetched");
  return FALSE;
}

static gboolean
missing (const MossId *id, GError **error)
{
  g_autofree char *name = moss_id_to_string (id);

  g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING,
               "object %s is neither here nor on the other device", name);
  return FALSE;
}

/* Asks for a single object: it was damaged here, or pushed and not kept. */
static gboolean
fetch_one (Get *get, const MossId *id, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (MossId));
  g_autoptr (Fetch) fetch = NULL;
  g_autoptr (GError) local = NULL;
  guint64 request;
  gboolean ok;

  if (get->job->link == NULL)
    return missing (id, error);
  g_array_append_vals (ids, id, 1);
  fetch = fetch_start (get->job, ids, &request, error);
  if (fetch == NULL)
    return FALSE;
  ok = fetch_wait (fetch, 0, &local);
  g_mutex_lock (&fetch->lock);
  get->wire_bytes += fetch->wire_bytes;
  g_mutex_unlock (&fetch->lock);
  if (ok)
    return TRUE;
  if (local == NULL)
    return missing (id, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* Makes sure that an object is in the store. */
static gboolean
ensure (Get *get, gsize index, GError **error)
{
  const MossRef *ref = &g_array_index (get->refs, MossRef, index);
  g_autoptr (GError) local = NULL;

  if (get->wanted[index] < 0)
    return TRUE;
  if (fetch_wait (get->fetch, get->wanted[index], &local))
    return TRUE;
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  /* "Not here" can mean "pushed just before": look again, then ask once more. */
  moss_link_wait_settled (get->job->link);
  return moss_store_has (get->job->netd->store, &ref->id) || fetch_one (get, &ref->id, error);
}

static void
unseal_one (gsize index, gpointer user_data)
{
  Get *get = user_data;
  const MossRef *ref = &g_array_index (get->refs, MossRef, get->first + index);

  moss_store_unseal (get->job->netd->store, ref, &get->unsealed[index], &get->errors[index]);
}

static void
unpack_one (gsize index, gpointer user_data)
{
  Get *get = user_data;
  const MossRef *ref = &g_array_index (get->refs, MossRef, get->first + index);

  moss_object_unpack (&get->unsealed[index], ref,
                      get->base + get->offsets[get->first + index], &get->errors[index]);
}

static gboolean
first_error (Get *get, gsize count, GError **error)
{
  gboolean ok = TRUE;

  for (gsize i = 0; i < count; i++)
    {
      if (get->errors[i] == NULL)
        continue;
      if (ok)
        g_propagate_error (error, g_steal_pointer (&get->errors[i]));
      g_clear_error (&get->errors[i]);
      ok = FALSE;
    }
  return ok;
}

/* A damaged object was forgotten by the store: the other device may have it whole. */
static void
heal (Get *get, gsize count)
{
  for (gsize i = 0; i < count; i++)
    {
      const MossRef *ref = &g_array_index (get->refs, MossRef, get->first + i);

      if (get->errors[i] == NULL || get->job->link == NULL ||
          moss_store_has (get->job->netd->store, &ref->id) ||
          !fetch_one (get, &ref->id, NULL))
        continue;
      g_clear_error (&get->errors[i]);
      unseal_one (i, get);
    }
}

static gboolean
do_window (Get *get, gsize count, GError **error)
{
  gboolean ok;

  for (gsize i = 0; i < count; i++)
    if (!ensure (get, get->first + i, error))
      return FALSE;
  moss_parallel (count, unseal_one, get);
  heal (get, count);
  ok = first_error (get, count, error);
  for (gsize i = 0; ok && i < count; i++)
    {
      get->offsets[get->first + i] = get->total;
      get->lengths[get->first + i] = get->unsealed[i].plain_length;
      get->total += get->unsealed[i].plain_length;
    }
  if (ok)
    moss_parallel (count, unpack_one, get);
  ok = first_error (get, count, error) && ok;
  for (gsize i = 0; i < count; i++)
    moss_unsealed_clear (&get->unsealed[i]);
  return ok;
}

static GArray *
read_refs (GVariant *variant, GError **error)
{
  gsize count = g_variant_n_children (variant);
  g_autoptr (GArray) refs = g_array_new (FALSE, FALSE, sizeof (MossRef));

  if (count > TRANSFER_OBJECTS_MAX)
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   "%" G_GSIZE_FORMAT " objects at once are too many", count);
      return NULL;
    }
  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) id = NULL;
      g_autoptr (GVariant) key = NULL;
      MossRef ref;

      g_variant_get_child (variant, i, "(@ay@ay)", &id, &key);
      if (g_variant_get_size (id) != sizeof ref.id || g_variant_get_size (key) != 32)
        {
          g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                       "reference %" G_GSIZE_FORMAT " is not 32 and 32 bytes", i);
          return NULL;
        }
      g_variant_store (id, ref.id.bytes);
      g_variant_store (key, ref.key);
      g_array_append_val (refs, ref);
    }
  return g_steal_pointer (&refs);
}

/* Finds what is missing and asks for it. Several refs to one object ask once. */
static gboolean
ask_for_missing (Get *get, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (MossId));
  g_autoptr (GHashTable) seen = g_hash_table_new (moss_id_hash, moss_id_equal);

  for (guint i = 0; i < get->refs->len; i++)
    {
      MossRef *ref = &g_array_index (get->refs, MossRef, i);
      gpointer place;

      get->wanted[i] = -1;
      if (g_hash_table_lookup_extended (seen, &ref->id, NULL, &place))
        get->wanted[i] = GPOINTER_TO_UINT (place);
      else if (!moss_store_has (get->job->netd->store, &ref->id))
        {
          if (get->job->link == NULL)
            return missing (&ref->id, error);
          if (ids->len == MOSS_LINK_MAX_IDS)
            {
              g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                           "more than %d objects are missing at once", MOSS_LINK_MAX_IDS);
              return FALSE;
            }
          get->wanted[i] = ids->len;
          g_hash_table_insert (seen, &ref->id, GUINT_TO_POINTER (ids->len));
          g_array_append_val (ids, ref->id);
        }
    }
  if (ids->len == 0)
    return TRUE;
  get->fetch = fetch_start (get->job, ids, &get->request, error);
  return get->fetch != NULL;
}

static gboolean
fill (Get *get, int fd, GError **error)
{
  gsize count = get->refs->len;
  gsize room = count * (gsize) MOSS_OBJECT_MAX_PLAIN;
  gboolean ok = TRUE;

  if (count == 0)
    return TRUE;
  /* Sparse: what isn't used costs nothing and is cut off. */
  if (ftruncate (fd, room) == 0)
    get->base = mmap (NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (get->base == NULL || get->base == MAP_FAILED)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "no memory for %" G_GSIZE_FORMAT " objects: %s", count,
                   g_strerror (errno));
      return FALSE;
    }
  for (get->first = 0; ok && get->first < count; get->first += WINDOW)
    ok = do_window (get, MIN (count - get->first, WINDOW), error);
  munmap (get->base, room);
  return ok;
}

static gboolean
finish (Get *get, int fd, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  guint64 wire_bytes = get->wire_bytes;
  int index;

  if (ftruncate (fd, get->total) < 0 ||
      fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
                   "the content can't be sealed: %s", g_strerror (errno));
      return FALSE;
    }
  fds = g_unix_fd_list_new ();
  index = g_unix_fd_list_append (fds, fd, error);
  if (index < 0)
    return FALSE;
  if (get->fetch != NULL)
    {
      g_mutex_lock (&get->fetch->lock);
      wire_bytes += get->fetch->wire_bytes;
      g_mutex_unlock (&get->fetch->lock);
    }
  moss_dbus_net1_complete_get (
      get->job->netd->interface, get->job->invocation, fds, g_variant_new_handle (index),
      g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, get->lengths, get->refs->len, 4),
      wire_bytes);
  return TRUE;
}

static gboolean
get_all (Get *get, int fd, GError **error)
{
  gboolean ok = ask_for_missing (get, error) && fill (get, fd, error);

  if (get->fetch != NULL)
    {
      if (!ok)
        moss_link_fetch_cancel (get->job->link, get->request);
      moss_store_flush (get->job->netd->store, NULL);
      transfer_note_stored (get->job->netd);
    }
  return ok && finish (get, fd, error);
}

gboolean
transfer_run_get (Job *job, GError **error)
{
  g_autoptr (GArray) refs = read_refs (job->argument, error);
  g_autofree Get *get = g_new0 (Get, 1);
  gboolean ok;
  int fd;

  if (refs == NULL || !moss_fault_error ("netd-get", error))
    return FALSE;
  fd = memfd_create ("moss-get", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "memfd: %s",
                   g_strerror (errno));
      return FALSE;
    }
  get->job = job;
  get->refs = refs;
  get->wanted = g_new0 (gint64, refs->len);
  get->offsets = g_new0 (guint64, refs->len);
  get->lengths = g_new0 (guint32, refs->len);
  ok = get_all (get, fd, error);
  g_clear_pointer (&get->fetch, fetch_unref);
  g_free (get->wanted);
  g_free (get->offsets);
  g_free (get->lengths);
  close (fd);
  return ok;
}
