/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <glib/gi18n.h>
#include <string.h>

static gboolean
fail_usage (MossCall *call, GError **error, const char *what)
{
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE, _ ("%s: %s. See: moss help %s"),
               call->verb->name, what, call->verb->name);
  return FALSE;
}

/* An empty text must not be translated: gettext would give the header of its catalogue. */
static const char *
get_usage (const MossVerb *verb)
{
  return verb->usage[0] != '\0' ? _ (verb->usage) : "";
}

static gboolean
check_count (MossCall *call, int min, int max, GError **error)
{
  int n = g_strv_length (call->args);
  g_autofree char *usage = NULL;

  if (n >= min && (max < 0 || n <= max))
    return TRUE;
  if (max >= 0 && n > max)
    usage = g_strdup_printf (_ ("“%s” is one argument too many"), call->args[max]);
  else
    usage = g_strdup_printf (_ ("something is missing; it is used as “moss %s %s”"),
                             call->verb->name, get_usage (call->verb));
  return fail_usage (call, error, usage);
}

/* D-Bus takes UTF-8 where it doesn't take bytes; arguments come as they were typed. */
static GOptionContext *
make_context (MossCall *call, const GOptionEntry *entries, MossCliParseFlags flags)
{
  GOptionContext *context
      = g_option_context_new (call->verb->usage[0] != '\0' ? get_usage (call->verb) : NULL);
  const GOptionEntry rest[] = {
    { G_OPTION_REMAINING, 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_FILENAME_ARRAY, &call->args,
      NULL, NULL },
    { NULL }
  };

  g_option_context_set_summary (context, _ (call->verb->summary));
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_strict_posix (context, (flags & MOSS_CLI_PARSE_OPTIONS_FIRST) != 0);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, rest, GETTEXT_PACKAGE);
  return context;
}

gboolean
moss_cli_parse (MossCall *call, const GOptionEntry *entries, MossCliParseFlags flags, int min,
                int max, GError **error)
{
  g_autoptr (GOptionContext) context = make_context (call, entries, flags);
  g_autoptr (GError) cause = NULL;
  g_autofree char *name = g_strdup_printf ("moss %s", call->verb->name);
  gboolean parsed;

  g_set_prgname (name);
  parsed = g_option_context_parse (context, &call->argc, &call->argv, &cause);
  g_set_prgname ("moss");
  if (call->args == NULL)
    call->args = g_new0 (char *, 1);
  if (!parsed)
    return fail_usage (call, error, cause->message);
  return check_count (call, min, max, error);
}
