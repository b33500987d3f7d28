/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss fn: what can be done, by whom, and at what cost; and doing it. */

#include "function-data.h"
#include "table.h"
#include "text.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* Of an offer at a size, from the points that were measured; 0: not known. */
static double
cost_at (GVariant *offer, guint64 bytes)
{
  g_autoptr (GVariant) curve = g_variant_lookup_value (offer, "curve", G_VARIANT_TYPE ("a(tdu)"));
  double best_apart = INFINITY, cost = 0;

  for (gsize i = 0; curve != NULL && i < g_variant_n_children (curve); i++)
    {
      guint64 at;
      double us, apart;

      g_variant_get_child (curve, i, "(tdu)", &at, &us, NULL);
      apart = fabs (log2 ((double) at + 1) - log2 ((double) bytes + 1));
      if (apart < best_apart && apart <= 4)
        {
          best_apart = apart;
          cost = us;
        }
    }
  return cost;
}

static void
add_cost (MossTable *table, GVariant *offer, guint64 bytes)
{
  g_autofree char *text = moss_function_duration (cost_at (offer, bytes));

  moss_table_add (table, text);
}

/* The device, or the app in whose sandbox it is. */
static const char *
where (GVariant *offer)
{
  const char *device = moss_dict_string (offer, "device-name");
  const char *app = moss_dict_string (offer, "app");

  if (*app != '\0')
    return app;
  return *device != '\0' ? device : _ ("here");
}

static const char *
state (GVariant *offer)
{
  if (g_str_equal (moss_dict_string (offer, "trust"), "barred"))
    return _ ("barred");
  if (!moss_dict_boolean (offer, "present"))
    return _ ("away");
  if (g_str_equal (moss_dict_string (offer, "trust"), "unmeasured"))
    return _ ("not measured");
  return moss_dict_boolean (offer, "warm") ? _ ("warm") : _ ("ready");
}

static void
print_offers (GVariant *offers)
{
  const char *const columns[] = { _ ("PROVIDER"), _ ("WHERE"), _ ("STATE"), _ (">4 KiB"),
                                  _ (">64 KiB"),  _ (">1 MiB"), _ ("CAPABILITY"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);

  for (gsize i = 0; i < g_variant_n_children (offers); i++)
    {
      g_autoptr (GVariant) offer = g_variant_get_child_value (offers, i);

      moss_table_add (table, moss_dict_string (offer, "provider"));
      moss_table_add (table, where (offer));
      moss_table_add (table, state (offer));
      add_cost (table, offer, 4 << 10);
      add_cost (table, offer, 64 << 10);
      add_cost (table, offer, 1 << 20);
      moss_table_add (table, moss_dict_string (offer, "capability"));
    }
  moss_table_print (table);
}

static gboolean
finish (gboolean done, GError *cause, GError **error)
{
  return done ? TRUE : moss_cli_fail (error, MOSS_CLI_BROKER, cause);
}

static gboolean
show_offers (GVariant *offers, const MossFunctionOptions *options)
{
  if (options->json)
    moss_cli_print_json (offers);
  else if (g_variant_n_children (offers) == 0)
    moss_cli_say (_ ("Nobody offers that."));
  else
    print_offers (offers);
  return TRUE;
}

/* "png" and "sha256" are what a person looks for; a capability or a key is for the broker. */
static gboolean
is_word (const char *text)
{
  return *text != '\0' && strchr (text, '(') == NULL && strstr (text, "->") == NULL;
}

static GVariant *
with_word (GVariant *offers, const char *word)
{
  GVariantBuilder found;

  g_variant_builder_init (&found, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (offers); i++)
    {
      g_autoptr (GVariant) offer = g_variant_get_child_value (offers, i);

      if (strcasestr (moss_dict_string (offer, "capability"), word) != NULL
          || strcasestr (moss_dict_string (offer, "provider"), word) != NULL
          || strcasestr (moss_dict_string (offer, "name"), word) != NULL)
        g_variant_builder_add_value (&found, offer);
    }
  return g_variant_ref_sink (g_variant_builder_end (&found));
}

static gboolean
list (MossCall *call, const MossFunctionOptions *options, GError **error)
{
  MossDBusFunctionBroker1 *broker = moss_cli_get_broker (error);
  const char *request = call->args[1] != NULL ? call->args[1] : "";
  g_autoptr (GVariant) offers = NULL;
  g_autoptr (GVariant) found = NULL;
  GError *cause = NULL;

  if (broker == NULL)
    return FALSE;
  if (!moss_dbus_function_broker1_call_query_sync (broker, is_word (request) ? "" : request,
                                                   &offers, NULL, &cause))
    return finish (FALSE, cause, error);
  found = is_word (request) ? with_word (offers, request) : g_variant_ref (offers);
  return show_offers (found, options);
}

static gboolean
bench (MossCall *call, const MossFunctionOptions *options, GError **error)
{
  MossDBusFunctionBroker1 *broker = moss_cli_get_broker (error);
  g_autoptr (GVariant) offers = NULL;
  GError *cause = NULL;

  if (broker == NULL)
    return FALSE;
  if (!moss_dbus_function_broker1_call_bench_sync (
          broker, call->args[1] != NULL ? call->args[1] : "", &offers, NULL, &cause))
    return finish (FALSE, cause, error);
  return show_offers (offers, options);
}

/* --- explain --- */

static void
print_direct (GVariant *explanation)
{
  const char *const columns[] = { _ ("PROVIDER"), _ ("WHERE"), _ (">WOULD TAKE"), _ ("QUALITY"),
                                  _ ("WHY"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);
  g_autoptr (GVariant) direct =
      g_variant_lookup_value (explanation, "direct", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; direct != NULL && i < g_variant_n_children (direct); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (direct, i);
      g_autoptr (GVariant) offer =
          g_variant_lookup_value (one, "offer", G_VARIANT_TYPE_VARDICT);
      g_autofree char *cost = moss_function_duration (moss_dict_number (one, "predicted-us", 0));

      moss_table_add (table, moss_dict_string (offer, "provider"));
      moss_table_add (table, where (offer));
      moss_table_add (table, cost);
      moss_table_add (table, moss_dict_string (offer, "quality"));
      moss_table_add (table, moss_dict_string (one, "why"));
    }
  if (direct != NULL && g_variant_n_children (direct) > 0)
    moss_table_print (table);
}

static void
print_last (GVariant *explanation)
{
  const char *const columns[] = { _ ("LAST CALLS"), _ (">BYTES"), _ (">PREDICTED"),
                                  _ (">MEASURED"), _ ("OUTCOME"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);
  g_autoptr (GVariant) last =
      g_variant_lookup_value (explanation, "last", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; last != NULL && i < g_variant_n_children (last); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (last, i);
      g_autofree char *bytes = g_strdup_printf ("%.0f", moss_dict_number (one, "bytes", 0));
      double expected_us = moss_dict_number (one, "predicted-us", 0);
      double took_us = moss_dict_number (one, "measured-us", 0);
      g_autofree char *predicted = moss_function_duration (expected_us);
      g_autofree char *measured = moss_function_duration (took_us);

      moss_table_add (table, moss_dict_string (one, "provider"));
      moss_table_add (table, bytes);
      moss_table_add (table, predicted);
      moss_table_add (table, measured);
      moss_table_add (table, moss_dict_string (one, "outcome"));
    }
  if (last == NULL || g_variant_n_children (last) == 0)
    return;
  g_print ("\n");
  moss_table_print (table);
}

static gboolean
explain (MossCall *call, const MossFunctionOptions *options, GError **error)
{
  MossDBusFunctionBroker1 *broker = moss_cli_get_broker (error);
  g_autofree char *request = moss_function_complete (call->args[1], NULL, error);
  g_autoptr (GVariant) explanation = NULL;
  g_autofree char *clean = NULL;
  GError *cause = NULL;

  if (broker == NULL || request == NULL)
    return FALSE;
  if (!moss_dbus_function_broker1_call_explain_sync (
          broker, request, moss_function_wants (options, MAX (options->bytes, 1)), &explanation,
          NULL, &cause))
    return finish (FALSE, cause, error);
  if (options->json)
    {
      moss_cli_print_json (explanation);
      return TRUE;
    }
  clean = moss_text_clean (moss_dict_string (explanation, "sentence"));
  g_print ("%s\n\n", clean);
  print_direct (explanation);
  print_last (explanation);
  return TRUE;
}

static const struct
{
  const char *name;
  int min, max;
  gboolean (*run) (MossCall *call, const MossFunctionOptions *options, GError **error);
} words[] = {
  { "list", 1, 2, list },
  { "call", 2, -1, moss_function_call },
  { "explain", 2, 2, explain },
  { "bench", 1, 2, bench },
};

gboolean
moss_verb_fn (MossCall *call, GError **error)
{
  MossFunctionOptions options = { .bytes = 1 << 20 };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_ ("Print JSON"), NULL },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
      N_ ("Write the result there, not to stdout"), N_ ("FILE") },
    { "lossy", 0, 0, G_OPTION_ARG_NONE, &options.lossy, N_ ("Something may be lost"), NULL },
    { "local", 0, 0, G_OPTION_ARG_NONE, &options.local, N_ ("On this device only"), NULL },
    { "quality", 0, 0, G_OPTION_ARG_STRING, &options.quality, N_ ("Of this quality only"),
      N_ ("QUALITY") },
    { "bytes", 0, 0, G_OPTION_ARG_INT64, &options.bytes, N_ ("Explain for an input so big"),
      N_ ("BYTES") },
    { NULL }
  };
  gboolean done = FALSE, known = FALSE;
  int n;

  if (moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, -1, error))
    {
      const char *word = call->args[0] != NULL ? call->args[0] : "list";

      n = MAX (1, (int) g_strv_length (call->args));
      for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        if (g_str_equal (words[i].name, word) && n >= words[i].min &&
            (words[i].max < 0 || n <= words[i].max))
          {
            known = TRUE;
            done = words[i].run (call, &options, error);
          }
      if (!known)
        {
          g_autofree char *clean = moss_text_clean (word);

          g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("fn: that is not how “%s” is used. See: moss help fn"), clean);
        }
    }
  g_free (options.output);
  g_free (options.quality);
  return done;
}
