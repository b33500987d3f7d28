/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session/sandbox/init/init.h"

#include <glib.h>

static void
test_policy (void)
{
  const char *good[] = { "org.gnome.Terminal", "org.xfce.Xfconf", "org.gnome.Nautilus",
                         "org.freedesktop.systemd", "org.a11y", "org.kde.kded55" };
  const char *bad[] = { "",
                        "org.freedesktop.systemd1",
                        "org.freedesktop.portal.Desktop",
                        "org.freedesktop.impl.portal.PermissionStore",
                        "org.gtk.vfs.Daemon",
                        "org.a11y.Bus",
                        "org.gnome.keyring",
                        "org.gnome.keyring.SystemPrompter",
                        "ca.desrt.dconf" };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (init_services_may_start (good[i]));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (init_services_may_start (bad[i]));
}

static void
assert_name (const char *text, const char *expected)
{
  char name[16] = "";

  g_assert_cmpint (init_services_find_name (text, name, sizeof name), ==, expected != NULL);
  if (expected != NULL)
    g_assert_cmpstr (name, ==, expected);
}

static void
test_names (void)
{
  assert_name ("[D-BUS Service]\nName=org.a.B\nExec=/bin/b\n", "org.a.B");
  assert_name ("[D-BUS Service]\r\nExec=x\r\nName=org.a.B \t\r\n", "org.a.B");
  assert_name ("Name=org.a.B", "org.a.B");
  assert_name ("#Name=org.a.B\n", NULL);
  assert_name ("Name=\n", NULL);
  assert_name ("Name=   \n", NULL);
  assert_name ("Name=0123456789abcdef\n", NULL);
  assert_name ("", NULL);
  assert_name ("\n\n", NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/init-services/policy", test_policy);
  g_test_add_func ("/init-services/names", test_names);
  return g_test_run ();
}
