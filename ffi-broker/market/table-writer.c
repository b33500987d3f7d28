// SPDX-License-Identifier: LGPL-2.1-or-later
#include "table-writer.h"

#include "ffi-broker/types/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNED(n) (((n) + 7) & ~(gsize) 7)

typedef struct
{
  MossFfiTableOffer offer;
  guint64 hash;
  guint32 key_text;
} Row;

struct _MossFfiTableBuilder
{
  GArray *providers; /* MossFfiTableProvider */
  GArray *rows;      /* Row */
  GString *pool;
  GHashTable *texts; /* text → where it stands in the pool */
};

struct _MossFfiTableWriter
{
  int fd;
  guint8 *data;
  gsize size;
  MossFfiTable *table;
};

MossFfiTableBuilder *
moss_ffi_table_builder_new (void)
{
  MossFfiTableBuilder *builder = g_new0 (MossFfiTableBuilder, 1);

  builder->providers = g_array_new (FALSE, FALSE, sizeof (MossFfiTableProvider));
  builder->rows = g_array_new (FALSE, FALSE, sizeof (Row));
  builder->pool = g_string_new (NULL);
  g_string_append_c (builder->pool, '\0');
  builder->texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return builder;
}

void
moss_ffi_table_builder_free (MossFfiTableBuilder *builder)
{
  g_array_unref (builder->providers);
  g_array_unref (builder->rows);
  g_string_free (builder->pool, TRUE);
  g_hash_table_unref (builder->texts);
  g_free (builder);
}

/* Each text stands in the pool once. */
static guint32
pool_text (MossFfiTableBuilder *builder, const char *text)
{
  gpointer at;

  if (text == NULL || *text == '\0')
    return 0;
  at = g_hash_table_lookup (builder->texts, text);
  if (at == NULL)
    {
      at = GSIZE_TO_POINTER (builder->pool->len);
      g_hash_table_insert (builder->texts, g_strdup (text), at);
      g_string_append_len (builder->pool, text, strlen (text) + 1);
    }
  return GPOINTER_TO_SIZE (at);
}

static void
set_cost (MossFfiTableProvider *provider, const MossFfiProviderCost *cost)
{
  guint32 warm = cost->warm ? 1 : 0;

  __atomic_store (&provider->warm, &warm, __ATOMIC_RELAXED);
  __atomic_store (&provider->start_us, &cost->start_us, __ATOMIC_RELAXED);
  __atomic_store (&provider->queue_us, &cost->queue_us, __ATOMIC_RELAXED);
  __atomic_store (&provider->latency_us, &cost->latency_us, __ATOMIC_RELAXED);
  __atomic_store (&provider->bytes_per_us, &cost->bytes_per_us, __ATOMIC_RELAXED);
}

/* The provider's index, for its offers. */
guint
moss_ffi_table_builder_add_provider (MossFfiTableBuilder *builder, const MossFfiProviderInfo *info)
{
  MossFfiTableProvider provider = { .number = info->number,
                                    .id = pool_text (builder, info->id),
                                    .name = pool_text (builder, info->name),
                                    .version = pool_text (builder, info->version),
                                    .device = pool_text (builder, info->device),
                                    .kind = info->kind };

  set_cost (&provider, &info->cost);
  g_array_append_val (builder->providers, provider);
  return builder->providers->len - 1;
}

/* Fails for a text that is no capability and for one offer too many. */
gboolean
moss_ffi_table_builder_add_offer (MossFfiTableBuilder *builder,
                                  const MossFfiOfferInfo *info,
                                  GError **error)
{
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (info->capability, error);
  g_autofree char *key = NULL, *text = NULL;
  Row row = { 0 };

  if (capability == NULL)
    return FALSE;
  if (builder->rows->len == MOSS_FFI_TABLE_MAX_OFFERS)
    {
      g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_FAILED,
                   "there are %d offers already", MOSS_FFI_TABLE_MAX_OFFERS);
      return FALSE;
    }
  key = moss_ffi_capability_dup_key (capability);
  text = moss_ffi_capability_to_string (capability);
  row.hash = moss_ffi_key_hash (key);
  row.key_text = pool_text (builder, key);
  row.offer = (MossFfiTableOffer){ .number = info->number,
                                   .provider = info->provider,
                                   .flags = info->flags,
                                   .rank = info->rank,
                                   .capability = pool_text (builder, text),
                                   .quality = pool_text (builder, info->quality),
                                   .licence = pool_text (builder, info->licence),
                                   .function = pool_text (builder, info->function),
                                   .memory_per_byte = info->memory_per_byte,
                                   .out_per_in = info->out_per_in };
  if (info->curve != NULL)
    row.offer.curve = *info->curve;
  else
    moss_ffi_curve_init (&row.offer.curve);
  moss_ffi_curve_fill (&row.offer.curve);
  g_array_append_val (builder->rows, row);
  return TRUE;
}

static int
compare_rows (gconstpointer a, gconstpointer b)
{
  const Row *left = a, *right = b;

  if (left->hash != right->hash)
    return left->hash < right->hash ? -1 : 1;
  if (left->key_text != right->key_text)
    return left->key_text < right->key_text ? -1 : 1;
  return left->offer.number < right->offer.number ? -1
                                                  : left->offer.number > right->offer.number;
}

/* Numbers the keys of the sorted rows. */
static GArray *
make_keys (MossFfiTableBuilder *builder)
{
  GArray *keys = g_array_new (FALSE, FALSE, sizeof (MossFfiTableKey));

  for (guint i = 0; i < builder->rows->len; i++)
    {
      Row *row = &g_array_index (builder->rows, Row, i);
      MossFfiTableKey *last = NULL;

      if (keys->len > 0)
        last = &g_array_index (keys, MossFfiTableKey, keys->len - 1);
      if (last == NULL || last->text != row->key_text)
        {
          MossFfiTableKey key = { row->hash, row->key_text, i, 0, 0 };

          g_array_append_val (keys, key);
          last = &g_array_index (keys, MossFfiTableKey, keys->len - 1);
        }
      last->n++;
      row->offer.key = keys->len - 1;
    }
  return keys;
}

/* The whole table, as it will be published. */
GBytes *
moss_ffi_table_builder_to_bytes (MossFfiTableBuilder *builder)
{
  g_autoptr (GArray) keys = NULL;
  MossFfiTableHeader head = { .magic = MOSS_FFI_TABLE_MAGIC };
  GByteArray *bytes = g_byte_array_new ();

  g_array_sort (builder->rows, compare_rows);
  keys = make_keys (builder);
  head.n_keys = keys->len;
  head.n_offers = builder->rows->len;
  head.n_providers = builder->providers->len;
  head.pool_size = builder->pool->len;
  head.keys_at = sizeof head;
  head.offers_at = head.keys_at + keys->len * sizeof (MossFfiTableKey);
  head.providers_at = head.offers_at + head.n_offers * sizeof (MossFfiTableOffer);
  head.pool_at = head.providers_at + head.n_providers * sizeof (MossFfiTableProvider);
  head.size = head.pool_at + ALIGNED (head.pool_size);
  g_byte_array_append (bytes, (gconstpointer) &head, sizeof head);
  if (keys->len > 0)
    g_byte_array_append (bytes, (gconstpointer) keys->data, keys->len * sizeof (MossFfiTableKey));
  for (guint i = 0; i < builder->rows->len; i++)
    g_byte_array_append (bytes, (gconstpointer) &g_array_index (builder->rows, Row, i).offer,
                         sizeof (MossFfiTableOffer));
  if (head.n_providers > 0)
    g_byte_array_append (bytes, (gconstpointer) builder->providers->data,
                         head.n_providers * sizeof (MossFfiTableProvider));
  g_byte_array_append (bytes, (gconstpointer) builder->pool->str, head.pool_size);
  while (bytes->len < head.size)
    g_byte_array_append (bytes, (const guint8 *) "", 1);
  return g_byte_array_free_to_bytes (bytes);
}

static gboolean
write_all (int fd, GBytes *bytes)
{
  gsize size, done = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  while (done < size)
    {
      gssize n = write (fd, data + done, size - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return FALSE;
      done += n;
    }
  return TRUE;
}

static gboolean
fill_memory (MossFfiTableWriter *writer, GBytes *bytes)
{
  gpointer data;

  writer->fd = memfd_create ("moss-functions", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (writer->fd < 0 || !write_all (writer->fd, bytes))
    return FALSE;
  writer->size = g_bytes_get_size (bytes);
  data = mmap (NULL, writer->size, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
  if (data == MAP_FAILED)
    return FALSE;
  writer->data = data;
  /* This mapping still writes; all later ones only read. */
  return fcntl (writer->fd, F_ADD_SEALS,
                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0;
}

/* Makes the table in sealed memory that only this writer can change. */
MossFfiTableWriter *
moss_ffi_table_builder_publish (MossFfiTableBuilder *builder, GError **error)
{
  g_autoptr (MossFfiTableWriter) writer = g_new0 (MossFfiTableWriter, 1);
  g_autoptr (GBytes) bytes = moss_ffi_table_builder_to_bytes (builder);

  writer->fd = -1;
  if (!fill_memory (writer, bytes))
    {
      g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_FAILED,
                   "no memory for the table of functions: %s", g_strerror (errno));
      return NULL;
    }
  writer->table = moss_ffi_table_map (writer->fd, error);
  return writer->table != NULL ? g_steal_pointer (&writer) : NULL;
}

void
moss_ffi_table_writer_free (MossFfiTableWriter *writer)
{
  g_clear_pointer (&writer->table, moss_ffi_table_unref);
  if (writer->data != NULL)
    munmap (writer->data, writer->size);
  if (writer->fd >= 0)
    close (writer->fd);
  g_free (writer);
}

/* To be handed to readers; stays the writer's. */
int
moss_ffi_table_writer_get_fd (MossFfiTableWriter *writer)
{
  return writer->fd;
}

/* The same memory as a reader sees it; owned by @writer. */
MossFfiTable *
moss_ffi_table_writer_get_table (MossFfiTableWriter *writer)
{
  return writer->table;
}

static gpointer
writable (MossFfiTableWriter *writer, gconstpointer part)
{
  guint8 *seen = (guint8 *) moss_ffi_table_get_text (writer->table, 0);
  MossFfiTableHeader *head = (gpointer) writer->data;

  return writer->data + head->pool_at + ((const guint8 *) part - seen);
}

static void
begin (MossFfiTableWriter *writer)
{
  MossFfiTableHeader *head = (gpointer) writer->data;

  __atomic_fetch_add (&head->sequence, 1, __ATOMIC_ACQ_REL);
}

static void
end (MossFfiTableWriter *writer)
{
  MossFfiTableHeader *head = (gpointer) writer->data;

  __atomic_fetch_add (&head->sequence, 1, __ATOMIC_RELEASE);
}

static MossFfiTableOffer *
writable_offer (MossFfiTableWriter *writer, guint i)
{
  return writable (writer, moss_ffi_table_get_offer (writer->table, i));
}

/* Each number changes by itself: a reader sees the old or the new one. Where nothing was measured
 * the table says what is expected. */
void
moss_ffi_table_writer_set_curve (MossFfiTableWriter *writer,
                                 guint offer,
                                 const MossFfiCurve *curve)
{
  MossFfiCurve full = *curve, *own;

  g_return_if_fail (offer < moss_ffi_table_get_n_offers (writer->table));
  own = &writable_offer (writer, offer)->curve;
  moss_ffi_curve_fill (&full);
  begin (writer);
  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    {
      __atomic_store (&own->log2_us[i], &full.log2_us[i], __ATOMIC_RELAXED);
      __atomic_store (&own->count[i], &full.count[i], __ATOMIC_RELAXED);
    }
  end (writer);
}

void
moss_ffi_table_writer_set_ratio (MossFfiTableWriter *writer, guint offer, float out_per_in)
{
  g_return_if_fail (offer < moss_ffi_table_get_n_offers (writer->table));
  begin (writer);
  __atomic_store (&writable_offer (writer, offer)->out_per_in, &out_per_in, __ATOMIC_RELAXED);
  end (writer);
}

/* A resting offer is not chosen. */
void
moss_ffi_table_writer_set_resting (MossFfiTableWriter *writer, guint offer, gboolean resting)
{
  guint32 *flags;

  g_return_if_fail (offer < moss_ffi_table_get_n_offers (writer->table));
  flags = &writable_offer (writer, offer)->flags;
  begin (writer);
  if (resting)
    __atomic_fetch_or (flags, MOSS_FFI_OFFER_RESTING, __ATOMIC_RELAXED);
  else
    __atomic_fetch_and (flags, ~(guint32) MOSS_FFI_OFFER_RESTING, __ATOMIC_RELAXED);
  end (writer);
}

void
moss_ffi_table_writer_set_cost (MossFfiTableWriter *writer,
                                guint provider,
                                const MossFfiProviderCost *cost)
{
  g_return_if_fail (provider < moss_ffi_table_get_n_providers (writer->table));
  begin (writer);
  set_cost (writable (writer, moss_ffi_table_get_provider (writer->table, provider)), cost);
  end (writer);
}

/* Says to all who look that there is another table now. */
void
moss_ffi_table_writer_supersede (MossFfiTableWriter *writer)
{
  MossFfiTableHeader *head = (gpointer) writer->data;

  begin (writer);
  __atomic_store_n (&head->superseded, 1, __ATOMIC_RELEASE);
  end (writer);
}
