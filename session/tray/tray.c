/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "tray.h"

#include "cloud.h"
#include "item.h"
#include "notices.h"

struct _MossTray
{
  MossFilesClient *client;
  MossNetItem *item;
  MossCloud *cloud;
  MossNotices *notices;
};

MossTray *
moss_tray_start (GDBusConnection *bus)
{
  MossTray *tray = g_new0 (MossTray, 1);

  tray->client = moss_files_client_new (bus);
  tray->item = moss_net_item_new (tray->client);
  tray->cloud = moss_cloud_new (tray->client);
  tray->notices = moss_notices_new (tray->client);
  return tray;
}

void
moss_tray_stop (MossTray *tray)
{
  moss_notices_free (tray->notices);
  moss_cloud_free (tray->cloud);
  g_object_unref (tray->item);
  g_object_unref (tray->client);
  g_free (tray);
}
