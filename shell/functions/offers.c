// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "offers.h"

#include "ffi-broker/types/capability.h"
#include "vfs/files/status.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <langinfo.h>
#include <math.h>
#include <string.h>

#define MAX_POINTS 64
#define MAX_OFFERS 10000
#define MAX_WORD 80
#define SAMPLES 120
#define FAR_BEYOND 4    /* times what was measured: anybody's guess */
#define LEAST_BYTES 1e3 /* below it all cost the same */

static char *
take_text (GVariant *offer, const char *key)
{
  const char *text = "";

  g_variant_lookup (offer, key, "&s", &text);
  return moss_files_clean (text, MAX_WORD);
}

static guint64
take_number (GVariant *offer, const char *key)
{
  guint64 number = 0;

  g_variant_lookup (offer, key, "t", &number);
  return number;
}

static double
take_double (GVariant *offer, const char *key)
{
  double number = 0;

  g_variant_lookup (offer, key, "d", &number);
  return isfinite (number) && number > 0 ? number : 0;
}

static gboolean
take_boolean (GVariant *offer, const char *key, gboolean unless_told)
{
  g_variant_lookup (offer, key, "b", &unless_told);
  return unless_told;
}

static int
compare_points (gconstpointer a, gconstpointer b)
{
  const MossOfferPoint *left = a, *right = b;

  return left->bytes < right->bytes ? -1 : left->bytes > right->bytes;
}

static GArray *
take_curve (GVariant *offer)
{
  GArray *curve = g_array_new (FALSE, FALSE, sizeof (MossOfferPoint));
  g_autoptr (GVariant) points
      = g_variant_lookup_value (offer, "curve", G_VARIANT_TYPE ("a(tdu)"));
  gsize n = points == NULL ? 0 : MIN (g_variant_n_children (points), MAX_POINTS);

  for (gsize i = 0; i < n; i++)
    {
      MossOfferPoint point;
      guint64 bytes;
      guint32 count;

      g_variant_get_child (points, i, "(tdu)", &bytes, &point.us, &count);
      point.bytes = MAX (bytes, 1);
      if (isfinite (point.us) && point.us > 0)
        g_array_append_val (curve, point);
    }
  g_array_sort (curve, compare_points);
  return curve;
}

/* “here, warm” */
static char *
describe_where (GVariant *offer, const char *kind)
{
  g_autofree char *device = take_text (offer, "device-name");

  if (g_str_equal (kind, "remote"))
    return g_steal_pointer (&device);
  if (g_str_equal (kind, "in-process"))
    return g_strdup (_ ("in the program itself"));
  if (!take_boolean (offer, "present", TRUE))
    return g_strdup (_ ("not here now"));
  /* Translators: a provider of functions that runs already, or would have to be started */
  return g_strdup (take_boolean (offer, "warm", FALSE) ? _ ("here, warm") : _ ("here, cold"));
}

static MossOffer *
offer_new (GVariant *from)
{
  MossOffer *offer = g_new0 (MossOffer, 1);
  g_autofree char *kind = take_text (from, "kind");
  double per_us = take_double (from, "bytes-per-us");
  gboolean warm = take_boolean (from, "warm", TRUE);

  offer->name = take_text (from, "name");
  if (*offer->name == '\0')
    {
      g_free (offer->name);
      offer->name = take_text (from, "provider");
    }
  offer->where = describe_where (from, kind);
  offer->quality = take_text (from, "quality");
  offer->reason = take_text (from, "reason");
  if (*offer->reason == '\0')
    g_clear_pointer (&offer->reason, g_free);
  offer->calls = take_number (from, "calls");
  offer->remote = g_str_equal (kind, "remote");
  offer->fixed_us = take_number (from, "queue-us") + take_number (from, "latency-us")
                    + (warm ? 0 : take_number (from, "start-us"));
  offer->us_per_byte = per_us > 0 ? (1 + take_double (from, "ratio")) / per_us : 0;
  offer->curve = take_curve (from);
  return offer;
}

void
moss_offer_free (MossOffer *offer)
{
  g_free (offer->name);
  g_free (offer->where);
  g_free (offer->quality);
  g_free (offer->reason);
  g_array_unref (offer->curve);
  g_free (offer);
}

/* "encode video/x-raw -> image/png" as a person reads it. */
static char *
make_title (const char *key)
{
  const char *arrow = strstr (key, " -> ");
  g_auto (GStrv) words = NULL;
  g_autofree char *head = NULL;
  const char *out;
  guint n;

  if (arrow == NULL)
    return g_strdup (key);
  head = g_strndup (key, arrow - key);
  out = arrow + strlen (" -> ");
  words = g_strsplit (head, " ", 4);
  n = g_strv_length (words);
  if (n < 2)
    return g_strdup (key);
  if (g_str_equal (out, "application/x-moss-value"))
    return g_steal_pointer (&head);
  if (g_str_equal (words[n - 1], out) || g_str_equal (words[0], "hash"))
    return n > 2 ? g_strdup_printf ("%s %s", words[0], words[1]) : g_steal_pointer (&head);
  if (g_str_equal (words[0], "encode"))
    return g_strdup_printf ("%s → %s", words[0], out);
  if (g_str_equal (words[0], "decode"))
    return g_steal_pointer (&head);
  if (g_str_equal (words[0], "convert") && n == 2 && strchr (words[1], '/') != NULL)
    return g_strdup_printf ("convert %s → %s", strchr (words[1], '/') + 1, out);
  return g_strdup_printf ("%s → %s", head, out);
}

char *
moss_request_title (const char *request)
{
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (request, NULL);
  g_autofree char *key = capability != NULL ? moss_ffi_capability_dup_key (capability) : NULL;

  return key != NULL ? make_title (key) : g_strdup (request);
}

void
moss_capability_free (MossCapability *capability)
{
  g_free (capability->key);
  g_free (capability->title);
  g_ptr_array_unref (capability->offers);
  g_free (capability);
}

static MossCapability *
find_or_add (GPtrArray *capabilities, GHashTable *by_key, const char *key)
{
  MossCapability *capability = g_hash_table_lookup (by_key, key);

  if (capability != NULL)
    return capability;
  capability = g_new0 (MossCapability, 1);
  capability->key = g_strdup (key);
  capability->title = make_title (key);
  capability->offers = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_offer_free);
  g_hash_table_insert (by_key, capability->key, capability);
  g_ptr_array_add (capabilities, capability);
  return capability;
}

static int
compare_titles (gconstpointer a, gconstpointer b)
{
  const MossCapability *const *left = a, *const *right = b;
  int order = strcmp ((*left)->title, (*right)->title);

  return order != 0 ? order : strcmp ((*left)->key, (*right)->key);
}

/* Those that are used come first. */
static int
compare_offers (gconstpointer a, gconstpointer b)
{
  const MossOffer *const *left = a, *const *right = b;

  if (((*left)->reason == NULL) != ((*right)->reason == NULL))
    return (*left)->reason == NULL ? -1 : 1;
  if ((*left)->calls != (*right)->calls)
    return (*left)->calls > (*right)->calls ? -1 : 1;
  return g_utf8_collate ((*left)->name, (*right)->name);
}

static void
finish (MossCapability *capability)
{
  g_ptr_array_sort (capability->offers, compare_offers);
  for (guint i = 0; i < capability->offers->len; i++)
    {
      MossOffer *offer = capability->offers->pdata[i];

      offer->hue = i % MOSS_OFFER_HUES;
      capability->calls += offer->calls;
    }
}

GPtrArray *
moss_capabilities_new (GVariant *offers)
{
  GPtrArray *capabilities
      = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_capability_free);
  g_autoptr (GHashTable) by_key = g_hash_table_new (g_str_hash, g_str_equal);
  gsize n = MIN (g_variant_n_children (offers), MAX_OFFERS);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) from = g_variant_get_child_value (offers, i);
      g_autofree char *key = take_text (from, "key");

      if (*key != '\0')
        g_ptr_array_add (find_or_add (capabilities, by_key, key)->offers, offer_new (from));
    }
  for (guint i = 0; i < capabilities->len; i++)
    finish (capabilities->pdata[i]);
  g_ptr_array_sort (capabilities, compare_titles);
  return capabilities;
}

static const struct
{
  const char *media;
  const char *words;
} own_media[] = {
  { "video/x-raw", N_ ("raw picture") },
  { "audio/x-raw", N_ ("raw sound") },
  { "application/octet-stream", N_ ("bytes") },
  { "application/x-moss-tensor", N_ ("numbers") },
  { "application/x-moss-digest", N_ ("digest") },
  { "application/x-moss-value", N_ ("value") },
};

static char *
describe_media (const char *media)
{
  for (guint i = 0; i < G_N_ELEMENTS (own_media); i++)
    if (g_str_equal (media, own_media[i].media))
      return g_strdup (_ (own_media[i].words));
  return g_content_type_get_description (media);
}

/* “raw picture in, PNG image out”; the key itself when it takes nothing or several things. */
static char *
describe_data (const char *key)
{
  const char *arrow = strstr (key, " -> ");
  g_autofree char *head = arrow != NULL ? g_strndup (key, arrow - key) : g_strdup (key);
  const char *space = strrchr (head, ' ');
  g_autofree char *in = NULL, *out = NULL;

  if (arrow == NULL || space == NULL || strchr (head, '/') < space)
    return g_strdup (key);
  in = describe_media (space + 1);
  out = describe_media (arrow + strlen (" -> "));
  /* Translators: what a function takes and what it gives: “raw picture in, PNG image out” */
  return g_strdup_printf (_ ("%s in, %s out"), in, out);
}

char *
moss_capability_describe (const MossCapability *capability)
{
  g_autofree char *data = describe_data (capability->key);
  guint n = capability->offers->len;
  gulong calls = capability->calls;
  g_autofree char *providers = g_strdup_printf (ngettext ("%u provider", "%u providers", n), n);
  g_autofree char *learned = NULL;

  if (calls == 0)
    /* Translators: what a function does, number of providers */
    return g_strdup_printf (_ ("%s · %s · not called yet"), data, providers);
  /* Translators: the number has separators, as in "1,204" */
  learned = g_strdup_printf (ngettext ("learned from %'lu call", "learned from %'lu calls", calls),
                             calls);
  return g_strdup_printf ("%s · %s · %s", data, providers, learned);
}

/* ---- costs --------------------------------------------------------------------------- */

/* Straight lines between the measurements, both ways in logarithms; below the first as much as
 * there, above the last as steep as before, never falling, and not far. */
static double
run_us (const GArray *curve, double bytes)
{
  const MossOfferPoint *points = (const MossOfferPoint *) curve->data;
  guint n = curve->len, i = 1;
  double slope;

  if (n == 0 || bytes > points[n - 1].bytes * FAR_BEYOND)
    return NAN;
  if (bytes <= points[0].bytes)
    return points[0].us;
  if (n == 1)
    return points[0].us * bytes / points[0].bytes;
  while (i < n - 1 && points[i].bytes < bytes)
    i++;
  slope = log (points[i].us / points[i - 1].us) / log (points[i].bytes / points[i - 1].bytes);
  if (bytes > points[i].bytes)
    return points[i].us * pow (bytes / points[i].bytes, CLAMP (slope, 0, 3));
  return points[i].us * pow (bytes / points[i].bytes, slope);
}

double
moss_offer_predict (const MossOffer *offer, double bytes)
{
  return offer->fixed_us + bytes * offer->us_per_byte + run_us (offer->curve, bytes);
}

double
moss_offer_get_last_bytes (const MossOffer *offer)
{
  guint n = offer->curve->len;

  return n == 0 ? 0 : g_array_index (offer->curve, MossOfferPoint, n - 1).bytes;
}

const MossOffer *
moss_capability_best (const MossCapability *capability, double bytes)
{
  const MossOffer *best = NULL;
  double best_us = INFINITY;

  for (guint i = 0; i < capability->offers->len; i++)
    {
      const MossOffer *offer = capability->offers->pdata[i];
      double us = moss_offer_predict (offer, bytes);

      if (offer->reason == NULL && us < best_us)
        {
          best = offer;
          best_us = us;
        }
    }
  return best;
}

gboolean
moss_capability_range (const MossCapability *capability, double *from, double *to)
{
  *from = INFINITY;
  *to = 0;
  for (guint i = 0; i < capability->offers->len; i++)
    {
      const MossOffer *offer = capability->offers->pdata[i];

      if (offer->curve->len == 0)
        continue;
      *from = MIN (*from, g_array_index (offer->curve, MossOfferPoint, 0).bytes);
      *to = MAX (*to, moss_offer_get_last_bytes (offer));
    }
  if (*to == 0)
    return FALSE;
  *from = MAX (*from, LEAST_BYTES);
  if (*to < *from * FAR_BEYOND)
    *to = *from * FAR_BEYOND;
  return TRUE;
}

const MossOffer *
moss_capability_crossing (const MossCapability *capability, double *bytes)
{
  const MossOffer *last = NULL, *winner = NULL;
  double from, to;

  if (!moss_capability_range (capability, &from, &to))
    return NULL;
  for (guint i = 0; i <= SAMPLES; i++)
    {
      double size = from * pow (to / from, (double) i / SAMPLES);
      const MossOffer *best = moss_capability_best (capability, size);

      if (last != NULL && best != last)
        {
          winner = best;
          *bytes = size;
        }
      last = best;
    }
  return winner;
}

double
moss_round_bytes (double bytes)
{
  double unit = 1, step = 1;

  while (bytes >= unit * 512)
    unit *= 1000;
  while (bytes >= unit * step * 2 && step < 256)
    step *= 4;
  return unit * step;
}

char *
moss_format_us (double us)
{
  if (us < 1000)
    /* Translators: a very short time: thousandths of a millisecond */
    return g_strdup_printf (_ ("%.0f µs"), MAX (us, 1));
  if (us < 10e3)
    return g_strdup_printf (_ ("%.1f ms"), us / 1e3);
  if (us < 1e6)
    return g_strdup_printf (_ ("%.0f ms"), us / 1e3);
  if (us < 10e6)
    return g_strdup_printf (_ ("%.1f s"), us / 1e6);
  if (us < 100e6)
    return g_strdup_printf (_ ("%.0f s"), us / 1e6);
  return g_strdup_printf (_ ("%.0f min"), us / 60e6);
}

char *
moss_format_whole (char *text)
{
  g_autofree char *tenths = g_strconcat (nl_langinfo (RADIXCHAR), "0", NULL);
  char *at = strstr (text, tenths);

  if (at != NULL && !g_ascii_isdigit (at[strlen (tenths)]))
    memmove (at, at + strlen (tenths), strlen (at + strlen (tenths)) + 1);
  return text;
}
