/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "requests.h"
#include "network.h"
#include "travel.h"
#include "moss-config.h"

#include <sys/utsname.h>

/* The flags that decide whether code which runs here runs there, as /proc/cpuinfo has them. */
static GStrv
read_cpu_features (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL))
    lines = g_strsplit (text, "\n", -1);
  for (int i = 0; lines != NULL && lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "flags") || g_str_has_prefix (lines[i], "Features"))
      {
        const char *colon = strchr (lines[i], ':');

        return g_strsplit (colon != NULL ? g_strstrip ((char *) colon + 1) : "", " ", -1);
      }
  return g_new0 (char *, 1);
}

static gboolean
has_program (const char *name)
{
  static const char *const dirs[] = { "/usr/bin", "/usr/local/bin", "/bin" };

  for (guint i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_autofree char *path = g_build_filename (dirs[i], name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
        return TRUE;
    }
  return FALSE;
}

GVariant *
moss_request_hello (MossRequest *request, GError **error)
{
  g_auto (GStrv) features = read_cpu_features ();
  g_auto (GStrv) problems = moss_travel_get_problems ();
  struct utsname names;
  GVariantDict dict;

  uname (&names);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "s", MOSS_VERSION);
  g_variant_dict_insert (&dict, "criu-version", "s", moss_travel_get_version ());
  g_variant_dict_insert_value (&dict, "problems",
                               g_variant_new_strv ((const char *const *) problems, -1));
  g_variant_dict_insert (&dict, "arch", "s", names.machine);
  g_variant_dict_insert (&dict, "network", "b", moss_network_get_program () != NULL);
  g_variant_dict_insert (&dict, "x11", "b", has_program ("Xwayland"));
  g_variant_dict_insert_value (&dict, "cpu-features",
                               g_variant_new_strv ((const char *const *) features, -1));
  return g_variant_new ("(@a{sv})", g_variant_dict_end (&dict));
}
