// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/machine.h"

#include <stdio.h>
#include <string.h>

static char *
read_line (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  return g_strstrip (text);
}

static void
read_supply (const char *path, MossPower *power)
{
  g_autofree char *type = read_line (path, "type");
  g_autofree char *scope = read_line (path, "scope");
  g_autofree char *capacity = read_line (path, "capacity");
  g_autofree char *state = read_line (path, "status");

  /* Of scope "Device": a mouse's or headset's, not this machine's. */
  if (g_strcmp0 (type, "Battery") != 0 || g_strcmp0 (scope, "Device") == 0 ||
      capacity == NULL)
    return;
  power->has_battery = TRUE;
  power->level = CLAMP (g_ascii_strtod (capacity, NULL) / 100, 0, 1);
  power->on_battery = power->on_battery || g_strcmp0 (state, "Discharging") == 0;
}

MossPower
moss_machine_power (void)
{
  const char *base = "/sys/class/power_supply";
  g_autoptr (GDir) dir = g_dir_open (base, 0, NULL);
  const char *name;
  MossPower power = { 0 };

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (base, name, NULL);

      read_supply (path, &power);
    }
  return power;
}

#ifdef MOSS_FAULTS
/* Machines of a test are one computer, so that each is told its load by a file. */
static gboolean
read_test_load (double *load)
{
  const char *path = g_getenv ("MOSS_TEST_LOAD");
  g_autofree char *text = NULL;

  if (path == NULL || !g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  *load = CLAMP (g_ascii_strtod (text, NULL), 0, 1);
  return TRUE;
}
#endif

/* Busy share of all processors, 0..1, since the last call with the same @since. */
double
moss_machine_load (MossLoad *since)
{
  g_autofree char *text = NULL;
  guint64 user, nice_time, system, idle, iowait, irq, softirq, steal, busy, all;
  double load = 0;

#ifdef MOSS_FAULTS
  if (read_test_load (&load))
    return load;
#endif
  if (!g_file_get_contents ("/proc/stat", &text, NULL, NULL) ||
      sscanf (text, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &user, &nice_time, &system, &idle,
              &iowait, &irq, &softirq, &steal) != 8)
    return 0;
  busy = user + nice_time + system + irq + softirq + steal;
  all = busy + idle + iowait;
  if (all > since->all && busy >= since->busy)
    load = (double) (busy - since->busy) / (all - since->all);
  since->busy = busy;
  since->all = all;
  return CLAMP (load, 0, 1);
}
