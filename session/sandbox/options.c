/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: an id is a lower-case UUID and nothing else. An app's arguments are any bytes, bounded
 * in number and size. Of the environment only names that speak about language and looks pass,
 * everything that names a socket, a path to load code from or a device is made by sandboxd
 * itself. A key that we don't know is an error: silently ignoring it could drop a restriction
 * that a newer caller asked for. */

#include "options.h"
#include "error.h"

#include <string.h>

static const char *const env_names[] = {
  "LANG", "LANGUAGE", "TERM", "COLORTERM", "TZ", "EDITOR", "PAGER", "LESS",
  "GTK_THEME", "GTK_OVERLAY_SCROLLING", "GDK_SCALE", "GDK_DPI_SCALE", "G_MESSAGES_DEBUG",
  "QT_SCALE_FACTOR", "QT_FONT_DPI", "QT_STYLE_OVERRIDE", "QT_LOGGING_RULES",
  "XCURSOR_SIZE", "XCURSOR_THEME", NULL
};

gboolean
moss_sandbox_id_is_valid (const char *id)
{
  if (id == NULL || strlen (id) != 36)
    return FALSE;
  for (int i = 0; i < 36; i++)
    {
      gboolean dash = i == 8 || i == 13 || i == 18 || i == 23;

      if (dash ? id[i] != '-' : strchr ("0123456789abcdef", id[i]) == NULL)
        return FALSE;
    }
  return TRUE;
}

gboolean
moss_sandbox_env_is_allowed (const char *assignment)
{
  const char *equals = strchr (assignment, '=');
  g_autofree char *name = NULL;

  if (equals == NULL || equals == assignment || strlen (equals) > 4096)
    return FALSE;
  name = g_strndup (assignment, equals - assignment);
  if (g_str_has_prefix (name, "LC_"))
    {
      for (const char *c = name; *c != '\0'; c++)
        if (!g_ascii_isupper (*c) && *c != '_')
          return FALSE;
      return TRUE;
    }
  return g_strv_contains (env_names, name);
}

static gboolean
check_argv (GStrv argv, GError **error)
{
  gsize bytes = 0;
  guint n = g_strv_length (argv);

  if (n == 0 || argv[0][0] == '\0')
    {
      g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                           "argv is empty");
      return FALSE;
    }
  for (guint i = 0; i < n; i++)
    bytes += strlen (argv[i]) + 1;
  if (n > MOSS_SANDBOX_MAX_ARGS || bytes > MOSS_SANDBOX_MAX_ARGS_BYTES)
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_LIMIT,
                   "argv has %u entries and %" G_GSIZE_FORMAT " bytes; at most %d and %u pass",
                   n, bytes, MOSS_SANDBOX_MAX_ARGS, MOSS_SANDBOX_MAX_ARGS_BYTES);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_env (GStrv env, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (int i = 0; env[i] != NULL; i++)
    {
      if (!moss_sandbox_env_is_allowed (env[i]))
        {
          g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_DENIED,
                       "the variable \"%.*s\" can't be set from outside",
                       (int) MIN (strcspn (env[i], "="), 40), env[i]);
          return FALSE;
        }
      if (!g_hash_table_add (seen, g_strndup (env[i], strcspn (env[i], "="))))
        {
          g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                       "the variable \"%.40s\" stands twice", env[i]);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
check_cwd (const char *cwd, GError **error)
{
  if (cwd[0] == '/' && strlen (cwd) < 4096)
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                       "cwd is not an absolute path");
  return FALSE;
}

static gboolean
check_name (const char *name, GError **error)
{
  glong length = g_utf8_strlen (name, -1);

  for (const char *c = name; *c != '\0'; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      length = 0;
  if (length > 0 && length <= MOSS_SANDBOX_MAX_NAME)
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
               "name must have 1 to %d characters and none that controls", MOSS_SANDBOX_MAX_NAME);
  return FALSE;
}

static gboolean
expect_type (const char *key, GVariant *value, const char *type, GError **error)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE (type)))
    return TRUE;
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
               "option \"%s\" is of type %s instead of %s", key,
               g_variant_get_type_string (value), type);
  return FALSE;
}

/* Takes one pair of the dictionary into options; a key may not stand twice. */
static gboolean
take_option (MossSandboxOptions *options, const char *key, GVariant *value,
             MossSandboxOptionsUse use, GError **error)
{
  gboolean create = use == MOSS_SANDBOX_OPTIONS_CREATE;

  if (create && strcmp (key, "argv") == 0 && options->argv == NULL)
    {
      if (!expect_type (key, value, "aay", error))
        return FALSE;
      options->argv = g_variant_dup_bytestring_array (value, NULL);
      return check_argv (options->argv, error);
    }
  if (create && strcmp (key, "env") == 0 && options->env == NULL)
    {
      if (!expect_type (key, value, "as", error))
        return FALSE;
      options->env = g_variant_dup_strv (value, NULL);
      return check_env (options->env, error);
    }
  if (create && strcmp (key, "cwd") == 0 && options->cwd == NULL)
    {
      if (!expect_type (key, value, "ay", error))
        return FALSE;
      options->cwd = g_variant_dup_bytestring (value, NULL);
      return check_cwd (options->cwd, error);
    }
  if (strcmp (key, "name") == 0 && options->name == NULL)
    {
      if (!expect_type (key, value, "s", error))
        return FALSE;
      options->name = g_variant_dup_string (value, NULL);
      return check_name (options->name, error);
    }
  if (strcmp (key, "network") == 0 || (create && strcmp (key, "x11") == 0))
    {
      if (!expect_type (key, value, "b", error))
        return FALSE;
      *(key[0] == 'n' ? &options->network : &options->x11) = g_variant_get_boolean (value);
      return TRUE;
    }
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
               "option \"%.40s\" is unknown here or stands twice", key);
  return FALSE;
}

MossSandboxOptions *
moss_sandbox_options_parse (GVariant *dict, MossSandboxOptionsUse use, GError **error)
{
  g_autoptr (MossSandboxOptions) options = g_new0 (MossSandboxOptions, 1);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, dict);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      gboolean taken = take_option (options, key, value, use, error);

      g_variant_unref (value);
      if (!taken)
        return NULL;
    }
  if (use == MOSS_SANDBOX_OPTIONS_CREATE && options->argv == NULL)
    {
      g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                           "argv is missing");
      return NULL;
    }
  if (options->env == NULL)
    options->env = g_new0 (char *, 1);
  if (options->cwd == NULL)
    options->cwd = g_strdup (MOSS_SANDBOX_HOME);
  if (options->name == NULL && options->argv != NULL)
    options->name = g_path_get_basename (options->argv[0]);
  if (options->name == NULL || !g_utf8_validate (options->name, -1, NULL))
    {
      g_free (options->name);
      options->name = g_strdup ("the app");
    }
  return g_steal_pointer (&options);
}

void
moss_sandbox_options_free (MossSandboxOptions *options)
{
  g_strfreev (options->argv);
  g_strfreev (options->env);
  g_free (options->cwd);
  g_free (options->name);
  g_free (options);
}
