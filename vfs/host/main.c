// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-host: keeps encrypted objects for people who were admitted, and their chains.
 *
 * Policy: it holds no secret of theirs and can read nothing it keeps. Strangers may ask for a
 * name and a chain, so often; everything else takes a signed token (trees.c). Everything that
 * comes in is bounded in size, rate and time (server.c) before it is looked at. What it says it
 * has taken is on the disk (writer.c). It gives up what it doesn't need (confine.c). */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include "core/state.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <string.h>

typedef struct
{
  char *listen;
  char *state;
  char *quota;
  char *certificate;
  char *key;
  GStrv admit;
  GStrv names;
} Options;

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (((Host *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

/* "500", "20G": bytes. */
static gboolean
parse_quota (const char *text, guint64 *bytes, GError **error)
{
  static const char units[] = "KMGT";
  char *end = NULL;
  const char *unit;
  guint64 number = g_ascii_strtoull (text, &end, 10);

  *bytes = number;
  if (end != text && *end == '\0')
    return TRUE;
  unit = end == text || end[1] != '\0' ? NULL : strchr (units, *end);
  if (unit != NULL && number < (G_MAXUINT64 >> 50))
    {
      *bytes = number << (10 * (unit - units + 1));
      return TRUE;
    }
  g_set_error (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_INVALID,
               "“%s” is not a number of bytes, such as 20G", text);
  return FALSE;
}

static gboolean
load_certificate (Host *host, Options *options, GError **error)
{
  if (options->certificate == NULL)
    return TRUE;
  host->certificate = g_tls_certificate_new_from_files (
      options->certificate, options->key != NULL ? options->key : options->certificate, error);
  return host->certificate != NULL;
}

static void
add_names (Host *host, Options *options)
{
  host->names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; options->names != NULL && options->names[i] != NULL; i++)
    g_ptr_array_add (host->names, g_strdup (options->names[i]));
  if (host->domain != NULL)
    g_ptr_array_add (host->names, g_strdup (host->domain));
}

static gboolean
load_state (Host *host, Options *options, GError **error)
{
  g_autofree char *path = NULL;
  g_autofree char *trees = NULL;

  host->state_dir = moss_state_dir (options->state, NULL, error);
  if (host->state_dir == NULL)
    return FALSE;
  trees = moss_state_dir (host->state_dir, "trees", error);
  path = g_build_filename (host->state_dir, "host.db", NULL);
  host->db = trees == NULL ? NULL : host_db_open (path, error);
  return host->db != NULL && host_db_load (host->db, people_load_chain, trees_load, host, error);
}

static gboolean
prepare (Host *host, Options *options, GError **error)
{
  host->people = g_hash_table_new (moss_id_hash, moss_id_equal);
  host->trees = g_hash_table_new (moss_id_hash, moss_id_equal);
  host->names_taken = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, NULL);
  host->spent = g_hash_table_new_full (g_bytes_hash, g_bytes_equal,
                                       (GDestroyNotify) g_bytes_unref, g_free);
  host->checked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (options->state == NULL)
    {
      g_set_error (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_INVALID,
                   "--state DIR says where to keep things");
      return FALSE;
    }
  if (!moss_crypto_init (error) || !parse_quota (options->quota, &host->quota, error))
    return FALSE;
  add_names (host, options);
  for (guint i = 0; options->admit != NULL && options->admit[i] != NULL; i++)
    if (!people_admit (host, options->admit[i], error))
      return FALSE;
  return load_state (host, options, error) && load_certificate (host, options, error);
}

static int
run (Host *host, Options *options, GError **error)
{
  if (!prepare (host, options, error) || !server_start (host, options->listen, error) ||
      !confine (host->state_dir, error))
    return 1;
  g_unix_signal_add (SIGTERM, on_signal, host);
  g_unix_signal_add (SIGINT, on_signal, host);
  g_main_loop_run (host->loop);
  server_stop (host);
  return host->exit_status;
}

int
main (int argc, char **argv)
{
  static Host host;
  Options options = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  int status = 1;
  GOptionEntry entries[] = {
    { "listen", 0, 0, G_OPTION_ARG_STRING, &options.listen,
      N_ ("The address and port to listen at"), "ADDR:PORT" },
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &options.state, N_ ("Where everything is kept"),
      "DIR" },
    { "admit", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.admit,
      N_ ("Who may keep files here; may be repeated"), "~ID[=NAME]" },
    { "domain", 0, 0, G_OPTION_ARG_STRING, &host.domain,
      N_ ("The domain whose names this host answers for"), "DOMAIN" },
    { "name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.names,
      N_ ("What devices call this host, as in its address; may be repeated"), "HOST[:PORT]" },
    { "quota", 0, 0, G_OPTION_ARG_STRING, &options.quota, N_ ("Room for each person"),
      "BYTES" },
    { "cert", 0, 0, G_OPTION_ARG_FILENAME, &options.certificate,
      N_ ("A TLS certificate (PEM)"), "FILE" },
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, N_ ("The certificate's key (PEM)"),
      "FILE" },
    { "behind-web-server", 0, 0, G_OPTION_ARG_NONE, &host.behind,
      N_ ("Believe X-Forwarded-For"), NULL },
    { NULL },
  };

  setlocale (LC_ALL, "");
  options.listen = g_strdup ("127.0.0.1:42118");
  options.quota = g_strdup ("100G");
  host.loop = g_main_loop_new (NULL, FALSE);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_summary (context, _ ("Keeps encrypted files for others."));
  if (g_option_context_parse (context, &argc, &argv, &error))
    status = run (&host, &options, &error);
  if (error != NULL)
    g_printerr ("moss-host: %s\n", error->message);
  return status;
}
