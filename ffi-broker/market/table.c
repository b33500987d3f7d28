// SPDX-License-Identifier: LGPL-2.1-or-later
/* A table may come from anybody: no offset, count or text of it is used before
 * moss_ffi_table_check () has seen all of them. Whoever wrote it can still write costs, so those
 * are read as they are at that moment and may be any bits; what is offered is taken from a table
 * that the broker promises not to change. Memory that could be cut short is not mapped. */
#include "table.h"

#include "ffi-broker/types/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

G_STATIC_ASSERT (sizeof (MossFfiTableHeader) == 64);
G_STATIC_ASSERT (sizeof (MossFfiTableKey) == 24);
G_STATIC_ASSERT (sizeof (MossFfiTableOffer) == 288);
G_STATIC_ASSERT (sizeof (MossFfiTableProvider) == 48);

struct _MossFfiTable
{
  const guint8 *data;
  gsize size;
  gboolean mapped;
  GBytes *bytes; /* NULL when mapped */
  guint n_keys, n_offers, n_providers;
  const MossFfiTableKey *keys;
  const MossFfiTableOffer *offers;
  const MossFfiTableProvider *providers;
  const char *pool;
  GHashTable *numbers; /* offer's number → index + 1 */
};

G_DEFINE_QUARK (moss-ffi-market-error-quark, moss_ffi_market_error)

static gboolean
corrupt (GError **error, const char *what)
{
  g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_CORRUPT,
               "the table of functions is damaged: %s", what);
  return FALSE;
}

/* TRUE when @n parts of @each bytes at @at lie in the table and are aligned. */
static gboolean
lies_within (guint32 at, guint32 n, gsize each, gsize size)
{
  return at % 8 == 0 && at >= sizeof (MossFfiTableHeader) && at <= size &&
         n <= (size - at) / each;
}

static gboolean
check_head (const MossFfiTableHeader *head, gsize size, GError **error)
{
  if (memcmp (head->magic, MOSS_FFI_TABLE_MAGIC, sizeof head->magic) != 0)
    return corrupt (error, "it doesn't begin with " MOSS_FFI_TABLE_MAGIC);
  if (head->size != size)
    return corrupt (error, "it says another size than it has");
  if (head->n_offers > MOSS_FFI_TABLE_MAX_OFFERS || head->n_keys > head->n_offers ||
      head->n_providers > MOSS_FFI_TABLE_MAX_OFFERS)
    return corrupt (error, "too many offers, keys or providers");
  if (!lies_within (head->keys_at, head->n_keys, sizeof (MossFfiTableKey), size) ||
      !lies_within (head->offers_at, head->n_offers, sizeof (MossFfiTableOffer), size) ||
      !lies_within (head->providers_at, head->n_providers, sizeof (MossFfiTableProvider), size) ||
      !lies_within (head->pool_at, head->pool_size, 1, size))
    return corrupt (error, "a part lies outside");
  return TRUE;
}

static gboolean
check_keys (const MossFfiTable *table, guint32 pool, GError **error)
{
  guint32 next = 0;

  for (guint i = 0; i < table->n_keys; i++)
    {
      const MossFfiTableKey *key = &table->keys[i];

      if (key->first != next || key->n == 0 || key->n > table->n_offers - key->first)
        return corrupt (error, "keys don't share out the offers");
      if (key->text >= pool || (i > 0 && key->hash < table->keys[i - 1].hash))
        return corrupt (error, "keys are out of order");
      for (guint j = 0; j < key->n; j++)
        if (table->offers[key->first + j].key != i)
          return corrupt (error, "an offer stands under another's key");
      next += key->n;
    }
  return next == table->n_offers || corrupt (error, "an offer has no key");
}

static gboolean
check_offers (const MossFfiTable *table, guint32 pool, GError **error)
{
  for (guint i = 0; i < table->n_offers; i++)
    {
      const MossFfiTableOffer *offer = &table->offers[i];

      if (offer->provider >= table->n_providers || offer->capability >= pool ||
          offer->quality >= pool || offer->licence >= pool || offer->function >= pool)
        return corrupt (error, "an offer points outside");
      if (!g_hash_table_insert (table->numbers, GUINT_TO_POINTER (offer->number),
                                GUINT_TO_POINTER (i + 1)))
        return corrupt (error, "two offers have one number");
    }
  return TRUE;
}

static gboolean
check_providers (const MossFfiTable *table, guint32 pool, GError **error)
{
  for (guint i = 0; i < table->n_providers; i++)
    {
      const MossFfiTableProvider *provider = &table->providers[i];

      if (provider->id >= pool || provider->name >= pool || provider->version >= pool ||
          provider->device >= pool || provider->kind > MOSS_FFI_KIND_REMOTE)
        return corrupt (error, "a provider points outside");
    }
  return TRUE;
}

static gboolean
check (MossFfiTable *table, GError **error)
{
  MossFfiTableHeader head;

  if (table->size < sizeof head)
    return corrupt (error, "it is shorter than its head");
  memcpy (&head, table->data, sizeof head);
  if (!check_head (&head, table->size, error))
    return FALSE;
  table->n_keys = head.n_keys;
  table->n_offers = head.n_offers;
  table->n_providers = head.n_providers;
  table->keys = (gconstpointer) (table->data + head.keys_at);
  table->offers = (gconstpointer) (table->data + head.offers_at);
  table->providers = (gconstpointer) (table->data + head.providers_at);
  table->pool = (const char *) table->data + head.pool_at;
  if (head.pool_size == 0 || table->pool[0] != '\0' || table->pool[head.pool_size - 1] != '\0')
    return corrupt (error, "its texts don't end");
  return check_keys (table, head.pool_size, error) &&
         check_offers (table, head.pool_size, error) &&
         check_providers (table, head.pool_size, error);
}

static MossFfiTable *
table_new (void)
{
  MossFfiTable *table = g_atomic_rc_box_new0 (MossFfiTable);

  table->numbers = g_hash_table_new (NULL, NULL);
  return table;
}

static void
table_clear (gpointer data)
{
  MossFfiTable *table = data;

  if (table->mapped)
    munmap ((gpointer) table->data, table->size);
  g_clear_pointer (&table->bytes, g_bytes_unref);
  g_hash_table_unref (table->numbers);
}

static gboolean
check_size (int fd, gsize *size, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode))
    return corrupt (error, "it is no memory");
  if (st.st_size < (goffset) sizeof (MossFfiTableHeader) ||
      st.st_size > MOSS_FFI_TABLE_MAX_BYTES)
    return corrupt (error, "its size can't be");
  *size = st.st_size;
  return TRUE;
}

/* Maps the table; @fd stays the caller's. Costs are seen as the broker changes them. Refuses what
 * is not sealed against shrinking. */
MossFfiTable *
moss_ffi_table_map (int fd, GError **error)
{
  g_autoptr (MossFfiTable) table = table_new ();
  int seals = fcntl (fd, F_GET_SEALS);
  gpointer data;

  if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
    {
      corrupt (error, "it isn't sealed");
      return NULL;
    }
  if (!check_size (fd, &table->size, error))
    return NULL;
  data = mmap (NULL, table->size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    {
      g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_FAILED,
                   "the table of functions can't be mapped: %s", g_strerror (errno));
      return NULL;
    }
  table->data = data;
  table->mapped = TRUE;
  return check (table, error) ? g_steal_pointer (&table) : NULL;
}

/* Copies the table as it is now: where memory must not be shared, as in a sandbox that travels. */
MossFfiTable *
moss_ffi_table_read (int fd, GError **error)
{
  g_autofree guint8 *data = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gsize size, done = 0;

  if (!check_size (fd, &size, error))
    return NULL;
  data = g_malloc (size);
  while (done < size)
    {
      gssize n = pread (fd, data + done, size - done, done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          corrupt (error, n == 0 ? "it ends too early" : g_strerror (errno));
          return NULL;
        }
      done += n;
    }
  bytes = g_bytes_new_take (g_steal_pointer (&data), size);
  return moss_ffi_table_new_for_bytes (bytes, error);
}

MossFfiTable *
moss_ffi_table_new_for_bytes (GBytes *bytes, GError **error)
{
  g_autoptr (MossFfiTable) table = table_new ();

  table->data = g_bytes_get_data (bytes, &table->size);
  /* Bytes of others may begin anywhere. */
  if ((gsize) table->data % 8 == 0)
    table->bytes = g_bytes_ref (bytes);
  else
    table->bytes = g_bytes_new (table->data, table->size);
  table->data = g_bytes_get_data (table->bytes, NULL);
  return check (table, error) ? g_steal_pointer (&table) : NULL;
}

MossFfiTable *
moss_ffi_table_ref (MossFfiTable *table)
{
  return g_atomic_rc_box_acquire (table);
}

void
moss_ffi_table_unref (MossFfiTable *table)
{
  g_atomic_rc_box_release_full (table, table_clear);
}

/* Changes whenever a cost does. */
guint32
moss_ffi_table_get_sequence (const MossFfiTable *table)
{
  const MossFfiTableHeader *head = (gconstpointer) table->data;

  return __atomic_load_n (&head->sequence, __ATOMIC_ACQUIRE);
}

/* TRUE when the broker has published another one. */
gboolean
moss_ffi_table_is_superseded (const MossFfiTable *table)
{
  const MossFfiTableHeader *head = (gconstpointer) table->data;

  return __atomic_load_n (&head->superseded, __ATOMIC_ACQUIRE) != 0;
}

guint
moss_ffi_table_get_n_keys (const MossFfiTable *table)
{
  return table->n_keys;
}

guint
moss_ffi_table_get_n_offers (const MossFfiTable *table)
{
  return table->n_offers;
}

guint
moss_ffi_table_get_n_providers (const MossFfiTable *table)
{
  return table->n_providers;
}

const MossFfiTableKey *
moss_ffi_table_get_key (const MossFfiTable *table, guint i)
{
  g_return_val_if_fail (i < table->n_keys, NULL);
  return &table->keys[i];
}

const MossFfiTableOffer *
moss_ffi_table_get_offer (const MossFfiTable *table, guint i)
{
  g_return_val_if_fail (i < table->n_offers, NULL);
  return &table->offers[i];
}

const MossFfiTableProvider *
moss_ffi_table_get_provider (const MossFfiTable *table, guint i)
{
  g_return_val_if_fail (i < table->n_providers, NULL);
  return &table->providers[i];
}

const MossFfiTableProvider *
moss_ffi_table_get_provider_of (const MossFfiTable *table, const MossFfiTableOffer *offer)
{
  return moss_ffi_table_get_provider (table, offer->provider);
}

/* A text that a part of this table points to; the table owns it. */
const char *
moss_ffi_table_get_text (const MossFfiTable *table, guint32 text)
{
  return table->pool + text;
}

/* NULL when nobody offers that. */
const MossFfiTableKey *
moss_ffi_table_find_key (const MossFfiTable *table, const char *key)
{
  guint64 hash = moss_ffi_key_hash (key);
  guint low = 0, high = table->n_keys;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (table->keys[middle].hash < hash)
        low = middle + 1;
      else
        high = middle;
    }
  for (; low < table->n_keys && table->keys[low].hash == hash; low++)
    if (strcmp (moss_ffi_table_get_text (table, table->keys[low].text), key) == 0)
      return &table->keys[low];
  return NULL;
}

/* The index of the offer that the broker calls @number, or G_MAXUINT. */
guint
moss_ffi_table_find_offer (const MossFfiTable *table, guint32 number)
{
  gpointer found = g_hash_table_lookup (table->numbers, GUINT_TO_POINTER (number));

  return found != NULL ? GPOINTER_TO_UINT (found) - 1 : G_MAXUINT;
}
