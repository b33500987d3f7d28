/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss fn call: a function on files, from stdin to stdout. */

#include "function-data.h"
#include "text.h"

#include <glib-unix.h>
#include <glib/gi18n.h>

typedef struct
{
  GMainLoop *loop;
  GCancellable *cancellable;
  MossFfiResult *result;
  GError *error;
} Doing;

static gboolean
on_interrupt (gpointer data)
{
  g_cancellable_cancel (((Doing *) data)->cancellable);
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

/* Ctrl-C cancels the call at its provider, too. */
static MossFfiResult *
do_call (const char *request, GPtrArray *inputs, GVariant *options, GError **error)
{
  MossFfiClient *client = moss_ffi_client_get_default (error);
  Doing doing = { .cancellable = g_cancellable_new () };
  guint interrupt;

  if (client == NULL)
    {
      g_object_unref (doing.cancellable);
      return NULL;
    }
  doing.loop = g_main_loop_new (NULL, FALSE);
  interrupt = g_unix_signal_add (SIGINT, on_interrupt, &doing);
  moss_ffi_client_call_async (client, request, (MossFfiBuffer **) inputs->pdata, inputs->len,
                              options, doing.cancellable, on_done, &doing);
  g_main_loop_run (doing.loop);
  g_source_remove (interrupt);
  g_main_loop_unref (doing.loop);
  g_object_unref (doing.cancellable);
  if (doing.error != NULL)
    g_propagate_error (error, doing.error);
  return doing.result;
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

gboolean
moss_function_call (MossCall *call, const MossFunctionOptions *options, GError **error)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new (), files = g_ptr_array_new ();
  g_autoptr (GPtrArray) inputs = NULL;
  g_autofree char *request = NULL;
  g_autoptr (GVariant) values = NULL;
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GError) cause = NULL;

  for (guint i = 2; call->args[i] != NULL; i++)
    g_ptr_array_add (moss_function_is_option (call->args[i]) ? words : files, call->args[i]);
  request = moss_function_complete (call->args[1], files->len > 0 ? files->pdata[0] : NULL,
                                    error);
  if (request == NULL)
    return FALSE;
  inputs = moss_function_read_inputs (request, files, error);
  values = inputs != NULL ? moss_function_read_options (request, words, options->lossy,
                                                        options->local, options->quality, error)
                          : NULL;
  if (values == NULL)
    return FALSE;
  result = do_call (request, inputs, values, &cause);
  if (result == NULL)
    {
      g_autofree char *clean = moss_text_clean (cause->message);

      g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, clean);
      return FALSE;
    }
  return give_result (result, options, error);
}
