/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss identity: who a person is on all their devices. */

#include "cli.h"
#include "passphrase.h"
#include "table.h"
#include "text.h"

#include "vfs/files/host-address.h"
#include "vfs/files/status.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  FINGERPRINT_BYTES = 32,
};

/* The fingerprint of this device or another one as the agent takes it; floating. NULL when the
 * id is none. */
static GVariant *
fingerprint_bytes (const char *id)
{
  guint8 bytes[FINGERPRINT_BYTES];

  if (id == NULL || strlen (id) != 2 * FINGERPRINT_BYTES)
    return NULL;
  for (guint i = 0; i < FINGERPRINT_BYTES; i++)
    bytes[i] = g_ascii_xdigit_value (id[2 * i]) << 4 | g_ascii_xdigit_value (id[2 * i + 1]);
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, sizeof bytes, 1);
}

/* ---- show ---------------------------------------------------------------------------- */

static const char *
say_member (GVariant *device)
{
  if (moss_dict_boolean (device, "revoked"))
    return _ ("revoked");
  return moss_dict_boolean (device, "self") ? _ ("this device") : _ ("yours");
}

static void
print_devices (GVariant *identity)
{
  const char *const columns[] = { _ (">SLOT"), _ ("NAME"), _ ("STATE"), _ ("ADDED"), _ ("ID"),
                                  NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);
  g_autoptr (GVariant) devices =
      g_variant_lookup_value (identity, "devices", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; devices != NULL && i < g_variant_n_children (devices); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (devices, i);
      g_autofree char *slot =
          g_strdup_printf ("%.0f", moss_dict_number (device, "slot", 0));
      g_autofree char *added =
          moss_text_time ((gint64) moss_dict_number (device, "added", 0) * G_USEC_PER_SEC);
      g_autofree char *id = g_strndup (moss_dict_string (device, "id"), 16);

      moss_table_add (table, slot);
      moss_table_add (table, moss_dict_string (device, "name"));
      moss_table_add (table, say_member (device));
      moss_table_add (table, added);
      moss_table_add (table, id);
    }
  moss_table_print (table);
}

static const char *
say_sealing (GVariant *identity)
{
  const char *sealing = moss_dict_string (identity, "sealing");

  if (moss_dict_boolean (identity, "locked"))
    return _ ("locked. Unlock them with: moss identity unlock");
  if (strcmp (sealing, "passphrase") == 0)
    return _ ("sealed by a passphrase, unlocked");
  if (strcmp (sealing, "keyring") == 0)
    return _ ("sealed by the keyring, unlocked");
  return _ ("not sealed");
}

static void
print_hosts (GVariant *identity)
{
  g_autofree const char **hosts = NULL;
  g_autofree char *list = NULL;
  g_autofree char *clean = NULL;

  g_variant_lookup (identity, "hosts", "^a&s", &hosts);
  if (hosts == NULL || hosts[0] == NULL)
    return;
  list = g_strjoinv (", ", (GStrv) hosts);
  clean = moss_text_clean (list);
  g_print (_ ("Hosts: %s\n"), clean);
}

static gboolean
show (gboolean json, GError **error)
{
  g_autoptr (GVariant) identity = moss_cli_get_identity (error);
  g_autofree char *name = NULL;

  if (identity == NULL)
    return FALSE;
  if (json)
    {
      moss_cli_print_json (identity);
      return TRUE;
    }
  if (*moss_dict_string (identity, "problem") != '\0')
    moss_cli_say ("%s", moss_dict_string (identity, "problem"));
  if (moss_dict_boolean (identity, "forked"))
    moss_cli_say (_ ("With “moss identity resolve here” this device's change holds, with “moss "
                     "identity resolve elsewhere” the other one's."));
  if (*moss_dict_string (identity, "id") == '\0')
    {
      moss_cli_say (_ ("This device belongs to no identity yet. Make one with “moss identity "
                       "create NAME”, or join one with “moss device pair”."));
      return TRUE;
    }
  name = moss_text_clean (moss_dict_string (identity, "name"));
  g_print ("%s\n%s\n", name, moss_dict_string (identity, "id"));
  g_print (_ ("Keys: %s\n"), say_sealing (identity));
  print_hosts (identity);
  print_devices (identity);
  return TRUE;
}

/* ---- the others ---------------------------------------------------------------------- */

/* Before a passphrase is asked for and set. */
static gboolean
may_create (GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  GVariant *chain = agent != NULL ? moss_dbus_agent1_get_chain (agent) : NULL;
  g_autoptr (GVariant) identity = NULL;
  g_autofree char *name = NULL;

  if (chain == NULL || g_variant_n_children (chain) == 0)
    return agent != NULL;
  identity = moss_cli_get_identity (error);
  if (identity == NULL)
    return FALSE;
  name = moss_text_clean (moss_dict_string (identity, "name"));
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               _ ("this device belongs to %s already. Take it off with: moss identity leave"),
               name);
  return FALSE;
}

static gboolean
create (const char *word, const MossSealOptions *options, GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  MossDBusNet1 *net = agent != NULL ? moss_cli_get_net (error) : NULL;
  GVariant *fingerprint =
      net != NULL ? fingerprint_bytes (moss_dbus_net1_get_device_id (net)) : NULL;
  g_autofree char *name = g_utf8_make_valid (word, -1);
  GError *cause = NULL;

  if (net == NULL)
    return FALSE;
  if (fingerprint == NULL)
    return moss_cli_fail (
        error, MOSS_CLI_NET,
        g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN, ""));
  g_variant_ref_sink (fingerprint);
  if (!moss_cli_seal (options, error))
    {
      g_variant_unref (fingerprint);
      return FALSE;
    }
  moss_dbus_agent1_call_create_identity_sync (
      agent, name, fingerprint, moss_dbus_net1_get_device_name (net), NULL, &cause);
  g_variant_unref (fingerprint);
  return cause == NULL || moss_cli_fail (error, MOSS_CLI_AGENT, cause);
}

static gboolean
unlock (GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  char *passphrase = NULL;
  GError *cause = NULL;
  gboolean done;

  if (agent == NULL)
    return FALSE;
  if (g_strcmp0 (moss_dbus_agent1_get_sealing (agent), "passphrase") == 0)
    {
      passphrase = moss_passphrase_ask (_ ("Passphrase: "), error);
      if (passphrase == NULL)
        return FALSE;
    }
  done = moss_dbus_agent1_call_unlock_sync (agent, passphrase != NULL ? passphrase : "", NULL,
                                            &cause);
  moss_passphrase_free (passphrase);
  return done || moss_cli_fail (error, MOSS_CLI_AGENT, cause);
}

static gboolean
lock (GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  GError *cause = NULL;

  return agent != NULL && (moss_dbus_agent1_call_lock_sync (agent, NULL, &cause) ||
                           moss_cli_fail (error, MOSS_CLI_AGENT, cause));
}

static gboolean
is_revoked_here (GVariant *identity)
{
  g_autoptr (GVariant) devices =
      g_variant_lookup_value (identity, "devices", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; devices != NULL && i < g_variant_n_children (devices); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (devices, i);

      if (moss_dict_boolean (device, "self") && !moss_dict_boolean (device, "revoked"))
        return FALSE;
    }
  return TRUE;
}

/* Whether nothing would be lost that was saved here last. A revoked device can send nothing any
 * more, and without moss-netd nobody knows. */
static gboolean
is_elsewhere (GError **error)
{
  static const char *const unsure[] = { "syncing", "offline", "host-full", "paused", NULL };
  g_autoptr (GVariant) identity = moss_cli_get_identity (NULL);
  MossDBusFiles1 *files = identity != NULL ? moss_cli_get_files (NULL) : NULL;
  g_autoptr (GVariant) status = NULL;
  g_autofree char *title = NULL;

  if (files == NULL || is_revoked_here (identity) ||
      !moss_dbus_files1_call_status_sync (files, &status, NULL, NULL) ||
      !g_strv_contains (unsure, moss_dict_string (status, "state")))
    return TRUE;
  title = moss_files_view_title (&(MossFilesView){ "mounted", "", status });
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               _ ("what was saved here last may be nowhere else yet (%s). Wait until “moss net "
                  "status” says that everything is in sync, or leave all the same with: moss "
                  "identity leave --force"),
               title);
  return FALSE;
}

static gboolean
leave (gboolean force, GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  GError *cause = NULL;

  return agent != NULL && (force || is_elsewhere (error)) &&
         (moss_dbus_agent1_call_leave_sync (agent, force, NULL, &cause) ||
          moss_cli_fail (error, MOSS_CLI_AGENT, cause));
}

/* urls: the hosts that keep the files of the identity from now on; "none" alone: no host. */
static gboolean
set_hosts (const char *const *urls, GError **error)
{
  static const char *const no_host[] = { NULL };
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  gboolean none = strcmp (urls[0], "none") == 0 && urls[1] == NULL;
  GError *cause = NULL;

  if (agent == NULL)
    return FALSE;
  for (guint i = 0; !none && urls[i] != NULL; i++)
    if (!moss_host_address_is_valid (urls[i]))
      {
        g_autofree char *clean = moss_text_clean (urls[i]);

        g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                     _ ("“%s” is not the address of a host, such as https://example.org"),
                     clean);
        return FALSE;
      }
  return moss_dbus_agent1_call_set_hosts_sync (agent, none ? no_host : urls, NULL, &cause) ||
         moss_cli_fail (error, MOSS_CLI_AGENT, cause);
}

/* word: "here" or "elsewhere": which of the two ways holds. */
static gboolean
resolve (const char *word, GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  gboolean here = strcmp (word, "here") == 0;
  GError *cause = NULL;

  if (agent == NULL)
    return FALSE;
  if (!here && strcmp (word, "elsewhere") != 0)
    {
      g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                           _ ("say which change of your identity holds: moss identity resolve "
                              "here, or moss identity resolve elsewhere"));
      return FALSE;
    }
  return moss_dbus_agent1_call_resolve_sync (agent, here, NULL, &cause) ||
         moss_cli_fail (error, MOSS_CLI_AGENT, cause);
}

gboolean
moss_cli_revoke (const char *word, GError **error)
{
  g_autoptr (GVariant) identity = moss_cli_get_identity (error);
  MossDBusAgent1 *agent = identity != NULL ? moss_cli_get_agent (error) : NULL;
  g_autoptr (GVariant) devices = NULL;
  g_autofree char *id = NULL;
  GError *cause = NULL;

  if (agent == NULL)
    return FALSE;
  devices = g_variant_lookup_value (identity, "devices", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; devices != NULL && i < g_variant_n_children (devices); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (devices, i);
      const char *this_id = moss_dict_string (device, "id");

      if (moss_dict_boolean (device, "revoked") ||
          (g_ascii_strcasecmp (moss_dict_string (device, "name"), word) != 0 &&
           (strlen (word) < 4 || !g_str_has_prefix (this_id, word))))
        continue;
      if (id != NULL)
        {
          g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("two of your devices are called %s: give the first letters of the "
                          "id, as “moss identity show” has them"),
                       word);
          return FALSE;
        }
      id = g_strdup (this_id);
    }
  if (id == NULL)
    {
      g_autofree char *clean = moss_text_clean (word);

      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                   _ ("no device of yours is called %s. See them with: moss identity show"),
                   clean);
      return FALSE;
    }
  return moss_dbus_agent1_call_revoke_device_sync (agent, fingerprint_bytes (id), NULL,
                                                   &cause) ||
         moss_cli_fail (error, MOSS_CLI_AGENT, cause);
}

typedef struct
{
  gboolean json, force;
  MossSealOptions seal;
} Options;

static gboolean
run_action (GStrv args, const Options *options, GError **error)
{
  const char *action = args[0] != NULL ? args[0] : "show";
  guint rest = args[0] != NULL ? g_strv_length (args) - 1 : 0;

  if (strcmp (action, "show") == 0 && rest == 0)
    return show (options->json, error);
  if (strcmp (action, "create") == 0 && rest == 1)
    return may_create (error) && create (args[1], &options->seal, error);
  if (strcmp (action, "unlock") == 0 && rest == 0)
    return unlock (error);
  if (strcmp (action, "lock") == 0 && rest == 0)
    return lock (error);
  if (strcmp (action, "leave") == 0 && rest == 0)
    return leave (options->force, error);
  if (strcmp (action, "hosts") == 0 && rest >= 1)
    return set_hosts ((const char *const *) args + 1, error);
  if (strcmp (action, "resolve") == 0 && rest <= 1)
    return resolve (rest == 1 ? args[1] : "", error);
  g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("identity: it is used as “moss identity show”, “moss identity create "
                          "NAME”, “moss identity hosts URL…”, “moss identity unlock”, “moss "
                          "identity lock”, “moss identity leave” or “moss identity resolve "
                          "here|elsewhere”"));
  return FALSE;
}

gboolean
moss_verb_identity (MossCall *call, GError **error)
{
  Options options = { 0 };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_ ("Print JSON"), NULL },
    { "keyring", 0, 0, G_OPTION_ARG_NONE, &options.seal.keyring,
      N_ ("create: let the desktop's keyring keep the keys of this device"), NULL },
    { "no-passphrase", 0, 0, G_OPTION_ARG_NONE, &options.seal.none,
      N_ ("create: don't seal the keys of this device"), NULL },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &options.force,
      N_ ("leave: even if files are lost by that"), NULL },
    { NULL }
  };

  return moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, 9, error) &&
         run_action (call->args, &options, error);
}
