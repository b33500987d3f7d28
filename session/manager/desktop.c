/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "desktop.h"

#include "session/move/move-error.h"

#include <gio/gdesktopappinfo.h>
#include <glib/gi18n.h>
#include <string.h>

void
moss_launch_free (MossLaunch *launch)
{
  g_free (launch->app);
  g_free (launch->name);
  g_free (launch->icon);
  g_ptr_array_unref (launch->argv);
  g_free (launch);
}

static char *
icon_name (GAppInfo *info)
{
  GIcon *icon = g_app_info_get_icon (info);

  return icon == NULL ? g_strdup ("") : g_icon_to_string (icon);
}

/* The field codes of the Desktop Entry Specification 1.5 in one argument; NULL: leave it out. */
static char *
expand (const char *argument, MossLaunch *launch)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (strlen (argument) == 2 && argument[0] == '%' && strchr ("fFuU", argument[1]) != NULL)
    {
      launch->files_at = launch->argv->len;
      launch->many_files = g_ascii_isupper (argument[1]);
      return NULL;
    }
  for (const char *c = argument; *c != '\0'; c++)
    {
      if (*c != '%' || c[1] == '\0')
        g_string_append_c (text, *c);
      else if (*++c == '%')
        g_string_append_c (text, '%');
      else if (*c == 'c')
        g_string_append (text, launch->name);
    }
  return text->len == 0 && *argument == '%' ? NULL
                                            : g_string_free (g_steal_pointer (&text), FALSE);
}

static gboolean
take_exec (MossLaunch *launch, const char *exec, GError **error)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) local = NULL;

  if (exec == NULL || !g_shell_parse_argv (exec, NULL, &words, &local))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   _("%s can't be started: its launcher says no proper command"), launch->name);
      return FALSE;
    }
  launch->files_at = G_MAXUINT;
  for (guint i = 0; words[i] != NULL; i++)
    {
      char *word = expand (words[i], launch);

      if (word != NULL)
        g_ptr_array_add (launch->argv, word);
    }
  if (launch->files_at == G_MAXUINT)
    launch->files_at = launch->argv->len;
  return launch->argv->len > 0;
}

static MossLaunch *
from_desktop (GDesktopAppInfo *info, const char *id, GError **error)
{
  g_autoptr (MossLaunch) launch = g_new0 (MossLaunch, 1);

  launch->app = g_strdup (id);
  launch->name = g_strdup (g_app_info_get_display_name (G_APP_INFO (info)));
  launch->icon = icon_name (G_APP_INFO (info));
  launch->argv = g_ptr_array_new_with_free_func (g_free);
  if (g_desktop_app_info_get_boolean (info, "Terminal"))
    {
      g_ptr_array_add (launch->argv, g_strdup ("foot"));
      g_ptr_array_add (launch->argv, g_strdup ("-e"));
    }
  if (!take_exec (launch, g_app_info_get_commandline (G_APP_INFO (info)), error))
    return NULL;
  return g_steal_pointer (&launch);
}

/* How well a launcher fits a program that is called by its name alone; 0: not at all. Many have
 * a second launcher for their settings or for one of their windows. */
static int
fit (GAppInfo *info, const char *program)
{
  const char *id = g_app_info_get_id (info);
  const char *executable = g_app_info_get_executable (info);
  const char *command = g_app_info_get_commandline (info);
  const char *wm_class = g_desktop_app_info_get_startup_wm_class (G_DESKTOP_APP_INFO (info));
  g_autofree char *base = executable ? g_path_get_basename (executable) : NULL;
  g_autofree char *last = NULL;
  const char *dot;

  if (g_strcmp0 (base, program) != 0 || !g_app_info_should_show (info))
    return 0;
  last = g_strdup (id != NULL ? id : "");
  if (g_str_has_suffix (last, ".desktop"))
    last[strlen (last) - strlen (".desktop")] = '\0';
  dot = strrchr (last, '.');
  return 1 + 4 * (g_ascii_strcasecmp (dot != NULL ? dot + 1 : last, program) == 0)
         + 2 * (wm_class != NULL && g_ascii_strcasecmp (wm_class, program) == 0)
         + (command != NULL && strstr (command, " -") == NULL);
}

/* Which launcher belongs to a program, for its name and icon. */
static GDesktopAppInfo *
find_by_program (const char *program)
{
  g_autofree char *base = g_path_get_basename (program);
  g_autofree char *plain = g_strconcat (base, ".desktop", NULL);
  GDesktopAppInfo *info = g_desktop_app_info_new (plain);
  GList *all, *l;
  int best = 0;

  if (info != NULL)
    return info;
  all = g_app_info_get_all ();
  for (l = all; l != NULL; l = l->next)
    {
      int fits = G_IS_DESKTOP_APP_INFO (l->data) ? fit (l->data, base) : 0;

      if (fits > best)
        g_set_object (&info, l->data);
      best = MAX (best, fits);
    }
  g_list_free_full (all, g_object_unref);
  return info;
}

static MossLaunch *
from_program (const char *program)
{
  MossLaunch *launch = g_new0 (MossLaunch, 1);
  g_autoptr (GDesktopAppInfo) info = find_by_program (program);

  launch->app = info ? g_strdup (g_desktop_app_info_get_filename (info)
                                     ? g_app_info_get_id (G_APP_INFO (info))
                                     : "")
                     : NULL;
  if (launch->app == NULL || *launch->app == '\0')
    {
      g_free (launch->app);
      launch->app = g_path_get_basename (program);
    }
  launch->name = info ? g_strdup (g_app_info_get_display_name (G_APP_INFO (info)))
                      : g_path_get_basename (program);
  launch->icon = info ? icon_name (G_APP_INFO (info)) : g_strdup ("");
  launch->argv = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (launch->argv, g_strdup (program));
  launch->files_at = 1;
  launch->many_files = TRUE;
  return launch;
}

MossLaunch *
moss_launch_find (const char *what, const char *const *arguments, GError **error)
{
  g_autoptr (MossLaunch) launch = NULL;

  if (*what == '\0')
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("There is nothing to run: no program was named"));
      return NULL;
    }
  if (g_str_has_suffix (what, ".desktop"))
    {
      g_autoptr (GDesktopAppInfo) info = g_desktop_app_info_new (what);

      if (info == NULL)
        {
          g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                       _("There is no app “%s” on this computer"), what);
          return NULL;
        }
      launch = from_desktop (info, what, error);
    }
  else
    launch = from_program (what);
  if (launch == NULL)
    return NULL;
  for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++)
    g_ptr_array_add (launch->argv, g_strdup (arguments[i]));
  if (!g_str_has_suffix (what, ".desktop"))
    launch->files_at = launch->argv->len;
  return g_steal_pointer (&launch);
}
