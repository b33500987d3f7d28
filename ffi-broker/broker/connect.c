/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a provider in the table to a socket on which a caller speaks with it alone. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include <unistd.h>

static void
connect_process (Provider *provider, const char *caller, gboolean trusted, ConnectFunc func,
                 gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  MossFfiConn *conn = client_get_conn (provider->client);
  GVariantDict about;
  int ends[2];
  gboolean sent;

  if (!moss_ffi_socket_pair (ends, &error))
    {
      func (-1, error, user_data);
      return;
    }
  g_variant_dict_init (&about, NULL);
  /* What an app in a sandbox hands over is always checked, and copied when it isn't sealed. */
  g_variant_dict_insert (&about, "trusted", "b", trusted && provider->app == NULL);
  g_variant_dict_insert (&about, "name", "s", caller);
  sent = conn != NULL &&
         moss_ffi_conn_send (conn, MOSS_FFI_FRAME_CALLER, 0,
                             g_variant_new ("(@a{sv})", g_variant_dict_end (&about)), &ends[0],
                             1);
  close (ends[0]);
  if (sent)
    {
      func (ends[1], NULL, user_data);
      return;
    }
  close (ends[1]);
  error = g_error_new (MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST, "%s does not take callers",
                       provider->name);
  func (-1, error, user_data);
}

void
connect_provider (Provider *provider, const char *caller, gboolean trusted, ConnectFunc func,
                  gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (provider->kind == MOSS_FFI_KIND_REMOTE)
    remote_connect (provider, func, user_data);
  else if (provider->worker != NULL)
    worker_connect (provider->worker, caller, trusted, func, user_data);
  else if (provider->client != NULL)
    connect_process (provider, caller, trusted, func, user_data);
  else
    {
      error = g_error_new (MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST, "%s is not running",
                           provider->name);
      func (-1, error, user_data);
    }
}
