// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-shell"

#include "application.h"
#include "moss-config.h"

#include <glib/gi18n.h>
#include <locale.h>

int
main (int argc, char **argv)
{
  const char *locale_dir = g_getenv ("MOSS_LOCALEDIR");
  g_autoptr (MossApplication) application = NULL;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, locale_dir != NULL ? locale_dir : MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  application = moss_application_new ();
  return g_application_run (G_APPLICATION (application), argc, argv);
}
