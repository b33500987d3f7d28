// SPDX-License-Identifier: GPL-3.0-or-later
/* What this device tells others about itself: how busy it is and its battery, at most every
 * five seconds, only when it changed, and only while somebody is there to hear it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/netd.h"

#include "core/machine.h"

#include <math.h>
#include <string.h>

enum
{
  PERIOD_S = 5,
  QUIET_PERIOD_S = 60,
  QUIET_AFTER = 6, /* periods without a change */
};

static char *
read_line (const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  return g_strstrip (text);
}

static MossLoad since;

/* SMBIOS specification 3.7, table 17. */
const char *
status_kind (void)
{
  g_autofree char *text = read_line ("/sys/class/dmi/id", "chassis_type");

  switch (text == NULL ? 0 : g_ascii_strtoull (text, NULL, 10))
    {
    case 8:
    case 9:
    case 10:
    case 14:
    case 31:
    case 32:
      return "laptop";
    case 11:
    case 30:
      return "tablet";
    case 17:
    case 23:
    case 28:
    case 29:
      return "server";
    default:
      return moss_machine_power ().has_battery ? "laptop" : "desktop";
    }
}

/* Rounded, so that small changes are none. Returns: (transfer full) */
static GVariant *
read_status (void)
{
  double load = round (moss_machine_load (&since) * 20) / 20;
  MossPower power = moss_machine_power ();
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "load", "d", load);
  g_variant_dict_insert (&dict, "idle", "b", load < 0.1);
  g_variant_dict_insert (&dict, "on-battery", "b", power.on_battery);
  if (power.has_battery)
    g_variant_dict_insert (&dict, "battery", "d", round (power.level * 100) / 100);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* Tells those who are linked what has changed; whether something has. */
static gboolean
tell_all (Netd *netd)
{
  g_autoptr (GVariant) status = NULL;
  gboolean anybody = FALSE;
  GHashTableIter iter;
  Device *device;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    anybody = anybody || device->link != NULL;
  if (!anybody)
    return FALSE;
  status = read_status ();
  if (netd->last_status != NULL && g_variant_equal (status, netd->last_status))
    return FALSE;
  g_clear_pointer (&netd->last_status, g_variant_unref);
  netd->last_status = g_variant_ref (status);
  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    if (device->link != NULL)
      moss_link_send_status (device->link, status);
  return TRUE;
}

static gboolean on_period (gpointer data);

static void
arm (Netd *netd, guint seconds)
{
  g_clear_handle_id (&netd->status_source, g_source_remove);
  netd->status_source = g_timeout_add_seconds (seconds, on_period, netd);
}

/* While nothing changes it is looked at more seldom: an idle desktop isn't to be woken. */
static gboolean
on_period (gpointer data)
{
  Netd *netd = data;

  netd->same_status = tell_all (netd) ? 0 : netd->same_status + 1;
  netd->status_source = 0;
  arm (netd, netd->same_status >= QUIET_AFTER ? QUIET_PERIOD_S : PERIOD_S);
  return G_SOURCE_REMOVE;
}

/* Tells a device that has just appeared. */
void
status_greet (Netd *netd, MossLink *link)
{
  if (netd->last_status == NULL)
    netd->last_status = read_status ();
  netd->same_status = 0;
  arm (netd, PERIOD_S);
  moss_link_send_status (link, netd->last_status);
}

void
status_start (Netd *netd)
{
  moss_machine_load (&since);
  arm (netd, PERIOD_S);
}
