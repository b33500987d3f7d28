/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss device: this device, and those that it knows. */

#include "cli.h"
#include "names.h"
#include "table.h"
#include "text.h"

#include <glib/gi18n.h>
#include <string.h>

static gboolean
is_paired (GVariant *device)
{
  gboolean paired = TRUE;

  g_variant_lookup (device, "paired", "b", &paired);
  return paired;
}

static const char *
say_state (GVariant *device)
{
  const char *state = moss_dict_string (device, "state");

  if (!is_paired (device))
    return _ ("not paired");
  if (strcmp (state, "linked") == 0)
    return _ ("linked");
  if (strcmp (state, "refused") == 0)
    return _ ("refused");
  return strcmp (state, "away") == 0 ? _ ("away") : state;
}

static char *
say_load (GVariant *device)
{
  double load = moss_dict_number (device, "load", -1);

  return load >= 0 ? g_strdup_printf ("%.0f %%", load * 100) : g_strdup ("");
}

static void
add_row (MossTable *table, GVariant *device)
{
  g_autofree char *id = moss_text_clean (moss_dict_string (device, "id"));
  g_autofree char *prefix = g_strndup (id, 16);
  g_autofree char *load = say_load (device);

  moss_table_add (table, prefix);
  moss_table_add (table, moss_dict_string (device, "name"));
  moss_table_add (table, say_state (device));
  moss_table_add (table, load);
  moss_table_add (table, moss_dict_string (device, "address"));
  moss_table_add (table, moss_dict_string (device, "reason"));
}

static void
print_table (GVariant *list)
{
  const char *const columns[] = { _ ("ID"), _ ("NAME"), _ ("STATE"), _ (">LOAD"),
                                  _ ("ADDRESS"), _ ("REASON"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (list, i);

      add_row (table, device);
    }
  moss_table_print (table);
}

static gboolean
list_devices (GStrv unused, gboolean json, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_devices (error);

  if (list == NULL)
    return FALSE;
  if (json)
    moss_cli_print_json (list);
  else if (g_variant_n_children (list) == 0)
    moss_cli_say (_ ("No device is known yet. Add one with: moss device pair"));
  else
    print_table (list);
  return TRUE;
}

/* The id that this device is known by elsewhere; borrowed. */
static const char *
get_own_id (GError **error)
{
  MossDBusNet1 *net = moss_cli_get_net (error);
  const char *id = net != NULL ? moss_dbus_net1_get_device_id (net) : NULL;

  if (net != NULL && id == NULL)
    moss_cli_fail (error, MOSS_CLI_NET,
                   g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN, ""));
  return id;
}

static gboolean
print_id (GStrv unused, gboolean json, GError **error)
{
  const char *id = get_own_id (error);

  if (id == NULL)
    return FALSE;
  if (json)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_string (id));

      moss_cli_print_json (value);
    }
  else
    g_print ("%s\n", id);
  return TRUE;
}

static gboolean
add_device (GStrv args, gboolean unused, GError **error)
{
  MossDBusNet1 *net = moss_cli_get_net (error);
  g_autofree char *address = NULL;
  g_autofree char *fingerprint = NULL;
  g_autofree char *id = NULL;
  GError *cause = NULL;

  if (net == NULL)
    return FALSE;
  address = g_utf8_make_valid (args[0], -1);
  /* A fingerprint read aloud or copied in groups is still one. */
  fingerprint = g_strjoinv (" ", args + 1);
  if (!g_utf8_validate (fingerprint, -1, NULL))
    fingerprint[0] = '\0';
  if (!moss_dbus_net1_call_add_device_sync (net, address, fingerprint, &id, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_NET, cause);
  g_print ("%s\n", id);
  return TRUE;
}

static gboolean
remove_device (GStrv args, gboolean unused, GError **error)
{
  g_autoptr (GVariant) device = moss_cli_find_device (args[0], error);
  GError *cause = NULL;

  if (device == NULL)
    return FALSE;
  if (!moss_dbus_net1_call_remove_device_sync (moss_cli_get_net (NULL),
                                               moss_dict_string (device, "id"), NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_NET, cause);
  return TRUE;
}

static gboolean
revoke_device (GStrv args, gboolean unused, GError **error)
{
  return moss_cli_revoke (args[0], error);
}

static const struct
{
  const char *name;
  int min;
  int max;
  gboolean (*run) (GStrv args, gboolean json, GError **error);
} actions[] = {
  { "list", 0, 0, list_devices },
  { "id", 0, 0, print_id },
  { "add", 2, G_MAXINT, add_device },
  { "remove", 1, 1, remove_device },
  { "revoke", 1, 1, revoke_device },
};

gboolean
moss_verb_device (MossCall *call, GError **error)
{
  gboolean json = FALSE;
  MossSealOptions seal = { 0 };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_ ("Print JSON"), NULL },
    { "keyring", 0, 0, G_OPTION_ARG_NONE, &seal.keyring,
      N_ ("pair: let the desktop's keyring keep the keys of this device"), NULL },
    { "no-passphrase", 0, 0, G_OPTION_ARG_NONE, &seal.none,
      N_ ("pair: don't seal the keys of this device"), NULL },
    { NULL }
  };
  int n;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, -1, error))
    return FALSE;
  n = (int) g_strv_length (call->args) - 1;
  if (n < 0)
    return list_devices (NULL, json, error);
  if (strcmp (call->args[0], "pair") == 0)
    return moss_cli_pair (call->args + 1, &seal, error);
  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    if (strcmp (call->args[0], actions[i].name) == 0 && n >= actions[i].min
        && n <= actions[i].max)
      return actions[i].run (call->args + 1, json, error);
  g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("device: it is used as “moss device list”, “moss device id”, “moss "
                          "device pair [WHERE [CODE]]”, “moss device revoke DEVICE”, “moss "
                          "device add ADDRESS FINGERPRINT” or “moss device remove DEVICE”"));
  return FALSE;
}
