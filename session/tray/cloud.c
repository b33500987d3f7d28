/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "cloud.h"

#include "tray.h"

#include <cloudproviders/cloudprovidersaccountexporter.h>
#include <cloudproviders/cloudprovidersprovider.h>
#include <cloudproviders/cloudprovidersaccount.h>
#include <cloudproviders/cloudprovidersproviderexporter.h>
#include <glib/gi18n.h>

#define BUS_NAME "org.moss.Session1"
#define OBJECT_PATH "/org/moss/CloudProvider"

struct _MossCloud
{
  MossFilesClient *client;
  CloudProvidersProviderExporter *provider;
  CloudProvidersAccountExporter *account; /* NULL without a home */
  guint accounts; /* made so far */
  GSimpleActionGroup *actions;
};

static CloudProvidersAccountStatus
to_account_status (MossFilesState state)
{
  switch (state)
    {
    case MOSS_FILES_SYNCING:
      return CLOUD_PROVIDERS_ACCOUNT_STATUS_SYNCING;
    case MOSS_FILES_CONFLICT:
    case MOSS_FILES_HOST_FULL:
    case MOSS_FILES_FAILED:
    case MOSS_FILES_LOCKED:
    case MOSS_FILES_OFFLINE:
      return CLOUD_PROVIDERS_ACCOUNT_STATUS_ERROR;
    case MOSS_FILES_SYNCED:
    case MOSS_FILES_PAUSED:
    case MOSS_FILES_NONE:
    default:
      return CLOUD_PROVIDERS_ACCOUNT_STATUS_IDLE;
    }
}

static void
on_open (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  MossCloud *cloud = data;

  moss_tray_open (moss_files_client_get_bus (cloud->client),
                  moss_files_client_get_home (cloud->client));
}

static void
on_pause (GSimpleAction *action, GVariant *value, gpointer data)
{
  MossCloud *cloud = data;

  moss_files_client_call (cloud->client, "Pause",
                          g_variant_new ("(b)", g_variant_get_boolean (value)), NULL, NULL, NULL);
}

static GMenuModel *
make_menu (void)
{
  GMenu *menu = g_menu_new ();

  g_menu_append (menu, _ ("Open"), "cloudprovider.open");
  g_menu_append (menu, _ ("Pause syncing"), "cloudprovider.pause");
  return G_MENU_MODEL (menu);
}

static void
add_account (MossCloud *cloud, const char *home)
{
  g_autofree char *name = moss_files_home_name (home);
  g_autoptr (GIcon) icon = g_themed_icon_new ("moss-net-symbolic");
  g_autoptr (GMenuModel) menu = make_menu ();
  char id[16] = "Home";

  /* The library leaves the menu of an account that was removed where it is. */
  if (++cloud->accounts > 1)
    g_snprintf (id, sizeof id, "Home%u", cloud->accounts);
  cloud->account = cloud_providers_account_exporter_new (cloud->provider, id);
  cloud_providers_account_exporter_set_name (cloud->account, name);
  cloud_providers_account_exporter_set_icon (cloud->account, icon);
  cloud_providers_account_exporter_set_path (cloud->account, home);
  cloud_providers_account_exporter_set_menu_model (cloud->account, menu);
  cloud_providers_account_exporter_set_action_group (cloud->account,
                                                     G_ACTION_GROUP (cloud->actions));
}

/* Programs that have the GIO module show /net by that; they would show it twice. */
static gboolean
is_wanted (void)
{
  return !g_file_test (MOSS_GIO_MODULE, G_FILE_TEST_EXISTS);
}

static void
on_client_changed (MossFilesClient *client, MossCloud *cloud)
{
  const MossFilesView *view = moss_files_client_get_view (client);
  const char *home = moss_files_client_get_home (client);
  MossFilesState state = moss_files_view_state (view);
  g_autofree char *title = moss_files_view_title (view);
  GAction *pause = g_action_map_lookup_action (G_ACTION_MAP (cloud->actions), "pause");

  if (*home == '\0' && cloud->account != NULL)
    {
      cloud_providers_provider_exporter_remove_account (cloud->provider, cloud->account);
      cloud->account = NULL;
    }
  if (*home != '\0' && cloud->account == NULL && is_wanted ())
    add_account (cloud, home);
  if (cloud->account == NULL)
    return;
  cloud_providers_account_exporter_set_status (cloud->account, to_account_status (state));
  cloud_providers_account_exporter_set_status_details (cloud->account, title);
  g_simple_action_set_state (G_SIMPLE_ACTION (pause),
                             g_variant_new_boolean (state == MOSS_FILES_PAUSED));
}

MossCloud *
moss_cloud_new (MossFilesClient *client)
{
  static const GActionEntry entries[] = {
    { "open", on_open, NULL, NULL, NULL, { 0 } },
    { "pause", NULL, NULL, "false", on_pause, { 0 } },
  };
  MossCloud *cloud = g_new0 (MossCloud, 1);

  cloud->client = g_object_ref (client);
  cloud->actions = g_simple_action_group_new ();
  g_action_map_add_action_entries (G_ACTION_MAP (cloud->actions), entries,
                                   G_N_ELEMENTS (entries), cloud);
  cloud->provider = cloud_providers_provider_exporter_new (moss_files_client_get_bus (client),
                                                           BUS_NAME, OBJECT_PATH);
  cloud_providers_provider_exporter_set_name (cloud->provider, "Moss");
  g_signal_connect (client, "changed", G_CALLBACK (on_client_changed), cloud);
  on_client_changed (client, cloud);
  return cloud;
}

void
moss_cloud_free (MossCloud *cloud)
{
  g_signal_handlers_disconnect_by_data (cloud->client, cloud);
  g_object_unref (cloud->provider);
  g_object_unref (cloud->actions);
  g_object_unref (cloud->client);
  g_free (cloud);
}
