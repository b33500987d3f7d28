/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of an app after it left: the device that it came from hears when it ended or went
 * on, or asks when both are linked again. */
#define G_LOG_DOMAIN "moss-session"

#include "moves.h"

#include <glib/gi18n.h>

#define TIMEOUT_MS 5000

static GVariant *
describe (MossManager *manager, const char *id)
{
  g_autofree char *state = moss_registry_get_string (manager->registry, id, "state");
  g_autofree char *device = moss_registry_get_string (manager->registry, id, "device");

  return g_variant_new_parsed ("{'id': <%s>, 'state': <%s>, 'device': <%s>}", id, state, device);
}

GVariant *
moss_whereabouts_answer (MossManager *manager, const char *id)
{
  return describe (manager, id);
}

typedef struct
{
  char *device;
  GVariant *body;
} News;

static void
tell (MossManager *manager, gpointer data)
{
  News *news = data;
  g_autoptr (GVariant) reply = moss_net_call (manager->net, news->device, "sandbox.news",
                                              news->body, TIMEOUT_MS, NULL);

  g_variant_unref (news->body);
  g_free (news->device);
  g_free (news);
}

void
moss_whereabouts_tell (MossManager *manager, const char *id, const char *origin)
{
  g_autofree char *self = moss_net_self_id (manager->net);
  News *news;

  if (*origin == '\0' || g_str_equal (origin, self)
      || !moss_net_require_linked (manager->net, origin, NULL))
    return;
  news = g_new0 (News, 1);
  news->device = g_strdup (origin);
  news->body = g_variant_ref_sink (describe (manager, id));
  moss_manager_spawn (manager, "news", tell, news);
}

void
moss_whereabouts_take (MossManager *manager, const char *device, GVariant *news)
{
  const char *id = "", *state = "", *where = "";
  g_autofree char *known = NULL, *self = moss_net_self_id (manager->net);
  g_autofree char *name = NULL, *place = NULL, *text = NULL;

  g_variant_lookup (news, "id", "&s", &id);
  g_variant_lookup (news, "state", "&s", &state);
  g_variant_lookup (news, "device", "&s", &where);
  known = moss_registry_get_string (manager->registry, id, "device");
  /* Only whoever has it may say so. */
  if (!moss_registry_is (manager->registry, id, "away") || !g_str_equal (known, device))
    return;
  place = moss_net_device_name (manager->net, device);
  name = moss_manager_app_name (manager, id);
  if (*state == '\0')
    {
      moss_registry_remove (manager->registry, id);
      return;
    }
  if (g_str_equal (state, "away") && *where != '\0' && !g_str_equal (where, self))
    moss_registry_set (manager->registry, id, "device", g_variant_new_string (where), NULL);
  else if (g_str_equal (state, "ended"))
    text = g_strdup_printf (_("Was closed on %s, which still holds its files"), place);
  else if (g_str_equal (state, "stored"))
    text = g_strdup_printf (_("Stopped on %s, where it can go on from its snapshot"), place);
  moss_registry_set (manager->registry, id, "text", g_variant_new_string (text ? text : ""),
                     NULL);
  if (text != NULL)
    moss_manager_notice (manager, id, "info", "", "%s: %s", name, text);
}

void
moss_whereabouts_ask (MossManager *manager, const char *device)
{
  g_auto (GStrv) ids = moss_registry_ids (manager->registry);

  for (guint i = 0; ids[i] != NULL; i++)
    {
      g_autofree char *where = moss_registry_get_string (manager->registry, ids[i], "device");
      g_autoptr (GVariant) answer = NULL;

      if (!moss_registry_is (manager->registry, ids[i], "away") || !g_str_equal (where, device))
        continue;
      answer = moss_net_call (manager->net, device, "sandbox.where",
                              g_variant_new_parsed ("{'id': <%s>}", ids[i]), TIMEOUT_MS, NULL);
      if (answer != NULL)
        moss_whereabouts_take (manager, device, answer);
    }
}
