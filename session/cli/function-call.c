/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss fn call: a function on files, from stdin to stdout. */

#include "function-data.h"
#include "progress.h"
#include "text.h"

#include "ffi-broker/market/policy.h"
#include "ffi-broker/types/capability.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <stdlib.h>

#define TICK_MS 100
#define UNSEEN_US (400 * 1000) /* what is over sooner needs no bar */
#define STATUS_INTERRUPTED 130

typedef struct
{
  const char *request;
  const MossFunctionOptions *options;
  GPtrArray *inputs;
  GVariant *values; /* a{sv} */
  GMainLoop *loop;
  GCancellable *cancellable;
  MossProgress progress;
  gint64 began_us;
  double predicted_us;
  double fraction; /* shown */
  double told;     /* by who does it; 0: nothing yet */
  double told_us;  /* after so much time */
  guint interrupts;
  MossFfiResult *result;
  GError *error;
} Doing;

/* ---- while it goes on ---------------------------------------------------------------- */

/* Once: asks the provider to give it up. Twice: doesn't wait for that. */
static gboolean
on_interrupt (gpointer data)
{
  Doing *doing = data;

  moss_progress_wipe (&doing->progress);
  if (doing->interrupts++ > 0)
    exit (STATUS_INTERRUPTED);
  g_cancellable_cancel (doing->cancellable);
  return G_SOURCE_CONTINUE;
}

static void
on_progress (double fraction, gpointer data)
{
  Doing *doing = data;

  doing->told = fraction;
  doing->told_us = g_get_monotonic_time () - doing->began_us;
}

/* What all of it will have taken: as was predicted, until whoever does it says how far it is. */
static double
expected_us (const Doing *doing)
{
  return doing->told > 0 ? doing->told_us / doing->told : doing->predicted_us;
}

static gboolean
on_tick (gpointer data)
{
  Doing *doing = data;
  double passed_us = g_get_monotonic_time () - doing->began_us;
  double left_us = expected_us (doing) - passed_us;
  double fraction = doing->told > 0 ? doing->told
                                    : moss_ffi_shown_fraction (passed_us, doing->predicted_us);
  g_autofree char *time = moss_text_duration (MAX (left_us, 0) / 1000);
  g_autofree char *text = NULL;

  if (passed_us < UNSEEN_US || doing->interrupts > 0)
    return G_SOURCE_CONTINUE;
  doing->fraction = MAX (doing->fraction, fraction);
  if (expected_us (doing) <= 0)
    text = g_strdup (_ ("not measured yet"));
  else if (left_us <= 0)
    text = g_strdup (_ ("longer than expected"));
  else
    /* Translators: a duration, as in “0.3 s left” */
    text = g_strdup_printf (_ ("%s left"), time);
  moss_progress_update (&doing->progress, doing->fraction, text);
  return G_SOURCE_CONTINUE;
}

static void
on_done (GObject *object, GAsyncResult *result, gpointer data)
{
  Doing *doing = data;

  doing->result =
      moss_ffi_client_call_finish (MOSS_FFI_CLIENT (object), result, &doing->error);
  g_main_loop_quit (doing->loop);
}

/* What the broker would do with it, NULL when it can't be asked; free with g_variant_unref(). */
static GVariant *
explain (Doing *doing, const MossFunctionOptions *options)
{
  MossDBusFunctionBroker1 *broker = moss_cli_get_broker (NULL);
  GVariant *explanation = NULL;
  guint64 bytes = 0;

  for (guint i = 0; i < doing->inputs->len; i++)
    bytes += moss_ffi_buffer_get_length (doing->inputs->pdata[i]);
  if (broker != NULL)
    moss_dbus_function_broker1_call_explain_sync (
        broker, doing->request, moss_function_wants (options, bytes), &explanation, NULL, NULL);
  return explanation;
}

static double
predict (Doing *doing)
{
  g_autoptr (GVariant) explanation = explain (doing, doing->options);
  g_autoptr (GVariant) plan
      = explanation != NULL
            ? g_variant_lookup_value (explanation, "plan", G_VARIANT_TYPE ("aa{sv}"))
            : NULL;
  double us = 0;

  for (gsize i = 0; plan != NULL && i < g_variant_n_children (plan); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (plan, i);

      us += moss_dict_number (step, "predicted-us", 0);
    }
  return us;
}

static void
run (Doing *doing, MossFfiClient *client)
{
  guint sources[] = { g_unix_signal_add (SIGINT, on_interrupt, doing),
                      g_unix_signal_add (SIGTERM, on_interrupt, doing),
                      g_timeout_add (TICK_MS, on_tick, doing) };

  doing->cancellable = g_cancellable_new ();
  doing->loop = g_main_loop_new (NULL, FALSE);
  doing->began_us = g_get_monotonic_time ();
  moss_ffi_client_call_with_progress_async (
      client, doing->request, (MossFfiBuffer **) doing->inputs->pdata, doing->inputs->len,
      doing->values, doing->cancellable, on_progress, doing, NULL, on_done, doing);
  g_main_loop_run (doing->loop);
  moss_progress_wipe (&doing->progress);
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  g_main_loop_unref (doing->loop);
  g_object_unref (doing->cancellable);
}

/* ---- what came of it ----------------------------------------------------------------- */

static gboolean
has_plan (Doing *doing, const MossFunctionOptions *options)
{
  g_autoptr (GVariant) explanation = explain (doing, options);
  g_autoptr (GVariant) plan = NULL;

  if (explanation != NULL)
    plan = g_variant_lookup_value (explanation, "plan", G_VARIANT_TYPE ("aa{sv}"));
  return plan != NULL;
}

/* Without it there is no way, with it there is. */
static gboolean
goes_with_loss (Doing *doing)
{
  MossFunctionOptions lossy = *doing->options;

  lossy.lossy = TRUE;
  return !has_plan (doing, doing->options) && has_plan (doing, &lossy);
}

static gboolean
say_why (Doing *doing, GError **error)
{
  g_autofree char *clean = moss_text_clean (doing->error->message);
  const char *way_out = "";

  if (doing->interrupts > 0)
    {
      moss_cli_say (_ ("Cancelled; nothing was written."));
      exit (STATUS_INTERRUPTED);
    }
  if (g_error_matches (doing->error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED)
      && !doing->options->lossy && goes_with_loss (doing))
    way_out = _ (". It can be done if something may be lost: add --lossy");
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, "%s%s", clean, way_out);
  g_clear_error (&doing->error);
  return FALSE;
}

static gboolean
give_result (MossFfiResult *result, const MossFunctionOptions *options, GError **error)
{
  GVariant *explanation = moss_ffi_result_get_explanation (result);
  GVariant *values = moss_ffi_result_get_values (result);
  gboolean has_data = moss_ffi_result_get_n_buffers (result) > 0;

  if (has_data &&
      !moss_function_write (moss_ffi_result_get_buffer (result, 0), options->output, error))
    return FALSE;
  if (!has_data && values != NULL && !options->json)
    moss_function_print_values (values);
  if (options->json && (!has_data || options->output != NULL))
    moss_cli_print_json (!has_data && values != NULL ? values : explanation);
  return TRUE;
}

/* "photo.png → image/webp", "notes.txt → number-lines". */
static char *
make_title (const MossFfiCapability *capability, const char *file)
{
  g_autofree char *name
      = file != NULL && !g_str_equal (file, "-") ? g_path_get_basename (file) : g_strdup ("–");

  return g_strdup_printf ("%s → %s", name,
                          capability->operation[0] != '\0'
                              ? capability->operation
                              : moss_ffi_caps_get_media (capability->output));
}

static gboolean
do_call (Doing *doing, char *title, GError **error)
{
  MossFfiClient *client = moss_ffi_client_get_default (error);
  g_autoptr (MossFfiResult) result = NULL;

  if (client == NULL)
    return FALSE;
  moss_progress_begin (&doing->progress, title, FALSE);
  if (doing->progress.shown)
    doing->predicted_us = predict (doing);
  run (doing, client);
  result = doing->result;
  return result != NULL ? give_result (result, doing->options, error) : say_why (doing, error);
}

gboolean
moss_function_call (MossCall *call, const MossFunctionOptions *options, GError **error)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new (), files = g_ptr_array_new ();
  g_autoptr (GPtrArray) inputs = NULL;
  g_autoptr (MossFfiCapability) capability = NULL;
  g_autofree char *request = NULL, *title = NULL;
  g_autoptr (GVariant) values = NULL;
  Doing doing = { .options = options };
  const char *file;

  for (guint i = 2; call->args[i] != NULL; i++)
    g_ptr_array_add (moss_function_is_option (call->args[i]) ? words : files, call->args[i]);
  file = files->len > 0 ? files->pdata[0] : NULL;
  request = moss_function_complete (call->args[1], file, error);
  if (request == NULL)
    return FALSE;
  capability = moss_ffi_capability_parse (request, NULL);
  if (!moss_function_may_print (moss_ffi_caps_get_media (capability->output), options->output,
                                error))
    return FALSE;
  inputs = moss_function_read_inputs (request, files, error);
  values = inputs != NULL ? moss_function_read_options (request, words, options->lossy,
                                                        options->local, options->quality, error)
                          : NULL;
  if (values == NULL)
    return FALSE;
  title = make_title (capability, file);
  doing.request = request;
  doing.inputs = inputs;
  doing.values = values;
  return do_call (&doing, title, error);
}
