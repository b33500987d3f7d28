/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss complete: words for the shell's completion, one a line. It never says that something is
 * wrong: a person is in the middle of typing. */

#include "cli.h"
#include "names.h"
#include "text.h"

#include <string.h>

typedef GVariant *(*Fetch) (GError **error);

static GVariant *
fetch_snapshots (GError **error)
{
  return moss_cli_list_snapshots (NULL, error);
}

/* What the shell would split or read differently is left to the id. */
static void
print_word (const char *word)
{
  for (const char *c = word; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr ("-_.+", *c) == NULL && (guchar) *c < 0x80)
      return;
  if (word[0] != '\0' && word[0] != '-')
    g_print ("%s\n", word);
}

static void
print_member (GVariant *member, const char *key)
{
  g_autofree char *text = strcmp (key, "app") == 0
                              ? moss_names_call_app (member)
                              : moss_text_clean (moss_dict_string (member, key));

  print_word (text);
}

gboolean
moss_verb_complete (MossCall *call, GError **error)
{
  static const struct
  {
    const char *what;
    Fetch fetch;
    const char *keys[3];
  } kinds[] = {
    { "sandboxes", moss_cli_list_sandboxes, { "id", "app", NULL } },
    { "devices", moss_cli_list_devices, { "name", "id", NULL } },
    { "snapshots", fetch_snapshots, { "snapshot", "label", NULL } },
  };

  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 1, 1, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autoptr (GVariant) list = NULL;

      if (strcmp (call->args[0], kinds[i].what) != 0)
        continue;
      list = kinds[i].fetch (NULL);
      for (gsize j = 0; list != NULL && j < g_variant_n_children (list); j++)
        {
          g_autoptr (GVariant) member = g_variant_get_child_value (list, j);

          for (int k = 0; kinds[i].keys[k] != NULL; k++)
            print_member (member, kinds[i].keys[k]);
        }
    }
  return TRUE;
}
