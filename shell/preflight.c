// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-preflight"

#include "preflight.h"

#include "format.h"

#include <glib/gi18n.h>

/* MossPreflight: the answers to “could this app go to that device, how long, how much?”,
   asked when a drag or a menu begins and kept until the next question, so that a card has
   words before the person gets there. Emits "changed" (sandbox id) with every answer. */

struct _MossPreflight
{
  GObject parent_instance;

  MossSessionClient *session;
  MossNetClient *net;
  GHashTable *answers; /* "sandbox device" → MossAnswer */
};

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossPreflight, moss_preflight, G_TYPE_OBJECT)

typedef struct
{
  MossPreflight *self;
  char *sandbox;
  char *device;
} Question;

static void
question_free (Question *question)
{
  g_object_unref (question->self);
  g_free (question->sandbox);
  g_free (question->device);
  g_free (question);
}

static void
answer_free (gpointer data)
{
  MossAnswer *answer = data;

  g_free (answer->reason);
  g_free (answer);
}

static char *
make_key (const char *sandbox, const char *device)
{
  return g_strconcat (sandbox, " ", device, NULL);
}

static MossAnswer *
parse_answer (GVariant *fields)
{
  MossAnswer *answer = g_new0 (MossAnswer, 1);

  g_variant_lookup (fields, "travels", "b", &answer->travels);
  g_variant_lookup (fields, "exact", "b", &answer->exact);
  g_variant_lookup (fields, "time-ms", "u", &answer->time_ms);
  g_variant_lookup (fields, "bytes", "t", &answer->bytes);
  g_variant_lookup (fields, "present-bytes", "t", &answer->present_bytes);
  g_variant_lookup (fields, "reason", "s", &answer->reason);
  return answer;
}

static void
on_preflight_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) fields = NULL;
  g_autoptr (GError) error = NULL;
  Question *question = data;
  MossAnswer *answer;

  if (moss_dbus_session1_call_preflight_finish (MOSS_DBUS_SESSION1 (source), &fields, result,
                                                &error))
    answer = parse_answer (fields);
  else
    {
      answer = g_new0 (MossAnswer, 1);
      answer->reason = moss_format_error (error);
    }
  g_hash_table_insert (question->self->answers,
                       make_key (question->sandbox, question->device), answer);
  g_signal_emit (question->self, signals[CHANGED], 0, question->sandbox);
  question_free (question);
}

/* Asks anew about every linked device; old answers stay until the new ones are there. */
void
moss_preflight_refresh (MossPreflight *self, const char *sandbox)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (self->session);
  GListModel *devices = moss_net_client_get_devices (self->net);

  if (proxy == NULL)
    return;
  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr (MossDevice) device = g_list_model_get_item (devices, i);
      Question *question;

      if (!moss_device_is_linked (device))
        continue;
      question = g_new0 (Question, 1);
      question->self = g_object_ref (self);
      question->sandbox = g_strdup (sandbox);
      question->device = g_strdup (device->id);
      moss_dbus_session1_call_preflight (proxy, sandbox, device->id, NULL,
                                         on_preflight_ready, question);
    }
}

/* (nullable): the last answer; NULL when none has come. */
const MossAnswer *
moss_preflight_lookup (MossPreflight *self, const char *sandbox, const char *device)
{
  g_autofree char *key = make_key (sandbox, device);

  return g_hash_table_lookup (self->answers, key);
}

/* “0.4 s · 12 MB”, or the reason why it can't. */
char *
moss_answer_describe (const MossAnswer *answer)
{
  g_autofree char *time = NULL;
  g_autofree char *bytes = NULL;

  if (!answer->travels)
    return g_strdup (answer->reason != NULL && *answer->reason != '\0'
                     ? answer->reason : _("Can't travel"));
  time = moss_format_duration_ms (answer->time_ms);
  bytes = moss_format_bytes (answer->bytes);
  return g_strdup_printf ("%s · %s", time, bytes);
}

/* “0.4 s”, or a dash. */
char *
moss_answer_describe_time (const MossAnswer *answer)
{
  if (answer == NULL || !answer->travels)
    return g_strdup ("–");
  return moss_format_duration_ms (answer->time_ms);
}

static void
moss_preflight_dispose (GObject *object)
{
  MossPreflight *self = MOSS_PREFLIGHT (object);

  g_clear_object (&self->session);
  g_clear_object (&self->net);
  g_clear_pointer (&self->answers, g_hash_table_unref);
  G_OBJECT_CLASS (moss_preflight_parent_class)->dispose (object);
}

static void
moss_preflight_class_init (MossPreflightClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_preflight_dispose;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_PREFLIGHT, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
moss_preflight_init (MossPreflight *self)
{
  self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, answer_free);
}

MossPreflight *
moss_preflight_new (MossSessionClient *session, MossNetClient *net)
{
  MossPreflight *self = g_object_new (MOSS_TYPE_PREFLIGHT, NULL);

  self->session = g_object_ref (session);
  self->net = g_object_ref (net);
  return self;
}
