/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss ps and moss status: what runs, and where. */

#include "cli.h"
#include "names.h"
#include "table.h"
#include "text.h"

#include <glib/gi18n.h>
#include <string.h>

static const struct
{
  const char *state;
  const char *text;
} states[] = {
  { "starting", N_ ("starting") },   { "running", N_ ("running") },
  { "frozen", N_ ("frozen") },       { "leaving", N_ ("leaving") },
  { "arriving", N_ ("arriving") },   { "away", N_ ("away") },
  { "on-its-way", N_ ("on its way") }, { "stored", N_ ("stored") },
  { "ended", N_ ("ended") },
};

static const char *
say_state (const char *state)
{
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (strcmp (state, states[i].state) == 0)
      return _ (states[i].text);
  return state;
}

/* Where it runs: nothing to say when that is here. */
static char *
say_place (GVariant *sandbox, GVariant *devices)
{
  const char *state = moss_dict_string (sandbox, "state");
  const char *device = moss_dict_string (sandbox, "device");
  g_autofree char *name = NULL;

  if (device[0] == '\0' || strcmp (state, "running") == 0 || strcmp (state, "ended") == 0)
    return g_strdup (_ ("here"));
  name = moss_names_call_device (devices, device);
  return g_steal_pointer (&name);
}

/* The first of: what the session says of it, why it can't travel, what else is worth knowing. */
static char *
say_note (GVariant *sandbox, GVariant *devices)
{
  g_autofree const char **blockers = NULL;
  const char *origin = moss_dict_string (sandbox, "origin");
  double files = moss_dict_number (sandbox, "files", 0);

  if (moss_dict_string (sandbox, "text")[0] != '\0')
    return g_strdup (moss_dict_string (sandbox, "text"));
  g_variant_lookup (sandbox, "blockers", "^a&s", &blockers);
  if (blockers != NULL && blockers[0] != NULL)
    return g_strdup (blockers[0]);
  if (strcmp (moss_dict_string (sandbox, "state"), "ended") == 0 && files > 0)
    return g_strdup_printf (ngettext ("%.0f file kept", "%.0f files kept", (gulong) files),
                            files);
  if (origin[0] != '\0' && strcmp (moss_dict_string (sandbox, "state"), "running") == 0)
    {
      g_autofree char *name = moss_names_call_device (devices, origin);

      return g_strdup_printf (_ ("came from %s"), name);
    }
  return g_strdup ("");
}

static void
add_row (MossTable *table, GVariant *sandbox, GVariant *devices)
{
  g_autofree char *id = moss_text_short_id (moss_dict_string (sandbox, "id"));
  g_autofree char *app = moss_names_call_app (sandbox);
  g_autofree char *place = say_place (sandbox, devices);
  g_autofree char *note = say_note (sandbox, devices);

  moss_table_add (table, id);
  moss_table_add (table, app);
  moss_table_add (table, moss_dict_string (sandbox, "name"));
  moss_table_add (table, say_state (moss_dict_string (sandbox, "state")));
  moss_table_add (table, place);
  moss_table_add (table, note);
}

static void
print_table (GVariant *list)
{
  const char *const columns[] = { _ ("ID"), _ ("APP"), _ ("NAME"), _ ("STATE"), _ ("WHERE"),
                                  _ ("NOTE"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);
  /* Names of devices are worth having, but not worth failing for. */
  g_autoptr (GVariant) devices = moss_cli_list_devices (NULL);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) sandbox = g_variant_get_child_value (list, i);

      add_row (table, sandbox, devices);
    }
  moss_table_print (table);
}

gboolean
moss_verb_ps (MossCall *call, GError **error)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_ ("Print one JSON array"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) list = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, 0, error))
    return FALSE;
  list = moss_cli_list_sandboxes (error);
  if (list == NULL)
    return FALSE;
  if (json)
    moss_cli_print_json (list);
  else if (g_variant_n_children (list) == 0)
    moss_cli_say (_ ("No app is running. Start one with: moss run PROGRAM"));
  else
    print_table (list);
  return TRUE;
}

/* ---- status -------------------------------------------------------------------------- */

static void
count_sandboxes (GVariant *list, guint *running, guint *away, guint *ended)
{
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) sandbox = g_variant_get_child_value (list, i);
      const char *state = moss_dict_string (sandbox, "state");

      if (strcmp (state, "away") == 0 || strcmp (state, "on-its-way") == 0)
        ++*away;
      else if (strcmp (state, "ended") == 0 || strcmp (state, "stored") == 0)
        ++*ended;
      else
        ++*running;
    }
}

static guint
count_devices (GVariant *list, gboolean linked)
{
  guint n = 0;

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (list, i);
      gboolean paired = TRUE;

      g_variant_lookup (device, "paired", "b", &paired);
      if (paired && (!linked || strcmp (moss_dict_string (device, "state"), "linked") == 0))
        n++;
    }
  return n;
}

static void
print_devices (GVariant *devices, const GError *why)
{
  MossDBusNet1 *net = devices != NULL ? moss_cli_get_net (NULL) : NULL;
  const char *name = net != NULL ? moss_dbus_net1_get_device_name (net) : NULL;
  const char *id = net != NULL ? moss_dbus_net1_get_device_id (net) : NULL;

  if (devices == NULL)
    {
      g_print (_ ("Devices: unknown, %s\n"), why->message);
      return;
    }
  g_print (_ ("This device: %s, %s\n"), name != NULL ? name : "?", id != NULL ? id : "?");
  g_print (_ ("Devices: %u known, %u linked\n"), count_devices (devices, FALSE),
           count_devices (devices, TRUE));
}

static void
print_status_json (GVariant *sandboxes, GVariant *devices)
{
  GVariantDict dict;
  g_autoptr (GVariant) status = NULL;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "sandboxes", sandboxes);
  if (devices != NULL)
    {
      MossDBusNet1 *net = moss_cli_get_net (NULL);
      const char *id = moss_dbus_net1_get_device_id (net);
      const char *name = moss_dbus_net1_get_device_name (net);

      g_variant_dict_insert (&dict, "device-id", "s", id != NULL ? id : "");
      g_variant_dict_insert (&dict, "device-name", "s", name != NULL ? name : "");
      g_variant_dict_insert_value (&dict, "devices", devices);
    }
  status = g_variant_ref_sink (g_variant_dict_end (&dict));
  moss_cli_print_json (status);
}

gboolean
moss_verb_status (MossCall *call, GError **error)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_ ("Print one JSON object"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) sandboxes = NULL;
  g_autoptr (GVariant) devices = NULL;
  g_autoptr (GError) no_devices = NULL;
  guint running = 0, away = 0, ended = 0;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, 0, error))
    return FALSE;
  sandboxes = moss_cli_list_sandboxes (error);
  if (sandboxes == NULL)
    return FALSE;
  devices = moss_cli_list_devices (&no_devices);
  if (json)
    {
      print_status_json (sandboxes, devices);
      return TRUE;
    }
  count_sandboxes (sandboxes, &running, &away, &ended);
  g_print (_ ("Apps: %u here, %u away, %u ended or stored\n"), running, away, ended);
  print_devices (devices, no_devices);
  return TRUE;
}
