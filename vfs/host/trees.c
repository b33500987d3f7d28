// SPDX-License-Identifier: GPL-3.0-or-later
/* Who may do what with which tree.
 *
 * Policy: a token is believed if it names this host, this tree and what is asked, has not
 * expired, and is signed by a device that the newest known chain of an admitted identity calls
 * its own and alive. A tree is the identity's who first wrote to it; nobody else's token opens
 * it, not even to read ciphertext. Room is counted when an upload begins, so that many at once
 * can't go over the quota together. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include "core/clock.h"

#include <string.h>
#include <sys/statvfs.h>

enum
{
  TREES_A_PERSON = 64,
  REQUESTS_A_SECOND = 500,
  REQUESTS_AT_ONCE = 2000,
  CHECKED_MAX = 4096,
  SPENT_MAX = 65536,
};

#define DISK_KEPT_BYTES ((guint64) 64 * 1024 * 1024)

static gint64
now_s (void)
{
  return moss_clock_now_us () / G_USEC_PER_SEC;
}

static gboolean
deny (GError **error, const char *reason)
{
  g_set_error_literal (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_DENIED, reason);
  return FALSE;
}

/* --- trees --- */

static Tree *
tree_open (Host *host, const MossId *id, Person *owner, GError **error)
{
  g_autofree char *name = moss_id_to_string (id);
  g_autofree char *dir = g_build_filename (host->state_dir, "trees", name, NULL);
  g_autoptr (MossStore) store = moss_store_open_blind (dir, error);
  guint64 count, bytes;
  Tree *tree;

  if (store == NULL || !moss_store_total (store, &count, &bytes, error))
    return NULL;
  tree = g_new0 (Tree, 1);
  tree->id = *id;
  tree->owner = owner;
  tree->store = g_steal_pointer (&store);
  tree->waiters = g_ptr_array_new_with_free_func ((GDestroyNotify) request_unref);
  owner->used += bytes + count * 80;
  owner->trees++;
  g_hash_table_insert (host->trees, &tree->id, tree);
  return tree;
}

static void
hash_cell (Tree *tree)
{
  g_autofree char *hex = NULL;
  MossId id;

  moss_suite_hash (MOSS_SUITE_SODIUM, g_bytes_get_data (tree->cell, NULL),
                   g_bytes_get_size (tree->cell), id.bytes, NULL);
  hex = moss_id_to_string (&id);
  g_strlcpy (tree->etag, hex, sizeof tree->etag);
  g_strlcpy (tree->written, hex, sizeof tree->written);
}

/* From the disk, before anything runs. Trees of people no longer admitted stay closed. */
void
trees_load (const MossId *id, const guint8 *owner, GBytes *cell, gpointer user_data)
{
  Host *host = user_data;
  Person *person = person_find (host, owner);
  g_autoptr (GError) error = NULL;
  Tree *tree = person == NULL ? NULL : tree_open (host, id, person, &error);

  if (tree == NULL)
    {
      if (error != NULL)
        g_warning ("a tree can't be opened: %s", error->message);
      return;
    }
  if (cell == NULL)
    return;
  tree->cell = g_bytes_ref (cell);
  hash_cell (tree);
}

/* A new tree is rare: the main context waits for the disk. */
static Tree *
tree_make (Request *request, Person *person, GError **error)
{
  Host *host = request->host;

  if (person->trees >= TREES_A_PERSON)
    {
      deny (error, "there are too many trees already");
      return NULL;
    }
  if (!host_db_add_tree (host->db, &request->route.tree, person->id, error))
    return NULL;
  return tree_open (host, &request->route.tree, person, error);
}

/* --- tokens --- */

static gboolean
is_my_name (Request *request, const char *name)
{
  GSocketAddress *address = soup_server_message_get_local_address (request->msg);
  g_autofree char *local = NULL;
  g_autofree char *text = NULL;

  for (guint i = 0; i < request->host->names->len; i++)
    if (g_ascii_strcasecmp (g_ptr_array_index (request->host->names, i), name) == 0)
      return TRUE;
  if (address == NULL || !G_IS_INET_SOCKET_ADDRESS (address) || request->host->behind)
    return FALSE;
  local = g_inet_address_to_string (
      g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
  text = g_strdup_printf (strchr (local, ':') ? "[%s]:%u" : "%s:%u", local,
                          g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  return g_ascii_strcasecmp (text, name) == 0;
}

static gboolean
check_signature (Person *person,
                 const MossToken *token,
                 GBytes *message,
                 GBytes *signature,
                 GError **error)
{
  MossChainDevice device;
  gsize length;
  const guint8 *bytes = g_bytes_get_data (message, &length);

  if (!moss_chain_find_device (person->chain, token->device, &device))
    return deny (error, "that device is not one of its person's");
  if (!moss_chain_device_alive (person->chain, device.slot, MOSS_CHAIN_NOW))
    return deny (error, "that device was revoked");
  if (device.record->suite != token->suite ||
      !moss_verify_domain (token->suite, device.record->signing_key, MOSS_TOKEN_DOMAIN, bytes,
                           length, signature, NULL))
    return deny (error, "the token is not signed by that device");
  return TRUE;
}

/* Signatures cost; a token comes back with each request. */
static gboolean
check_once (Request *request,
            Person *person,
            const char *header,
            GBytes *message,
            GBytes *signature,
            GError **error)
{
  Host *host = request->host;

  if (g_hash_table_contains (host->checked, header))
    return TRUE;
  if (!check_signature (person, &request->token, message, signature, error))
    return FALSE;
  if (g_hash_table_size (host->checked) >= CHECKED_MAX)
    g_hash_table_remove_all (host->checked);
  g_hash_table_add (host->checked, g_strdup (header));
  return TRUE;
}

static gboolean
is_over (gpointer nonce, gpointer expiry, gpointer now)
{
  return *(gint64 *) expiry < *(gint64 *) now;
}

/* A token to delete is good for one body, once. */
static gboolean
spend (Request *request, GError **error)
{
  Host *host = request->host;
  g_autoptr (GBytes) nonce =
      g_bytes_new (request->token.nonce, sizeof request->token.nonce);
  gint64 now = now_s ();

  g_hash_table_foreach_remove (host->spent, is_over, &now);
  if (g_hash_table_contains (host->spent, nonce))
    return deny (error, "that token was used already");
  if (g_hash_table_size (host->spent) >= SPENT_MAX)
    return deny (error, "too much is being deleted at once");
  g_hash_table_insert (host->spent, g_steal_pointer (&nonce),
                       g_memdup2 (&request->token.expires_s, sizeof (gint64)));
  return TRUE;
}

static gboolean
find_tree (Request *request, Person *person, GError **error)
{
  Tree *tree = g_hash_table_lookup (request->host->trees, &request->route.tree);

  if (tree == NULL && route_verb (request->route.kind) == MOSS_TOKEN_WRITE)
    tree = tree_make (request, person, error);
  else if (tree == NULL)
    g_set_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING,
                 "there is no such tree here");
  else if (tree->owner != person)
    {
      deny (error, "that tree is somebody else's");
      tree = NULL;
    }
  request->tree = tree;
  return tree != NULL;
}

static Person *
authenticate (Request *request, const char *header, GError **error)
{
  g_autoptr (GBytes) message = NULL;
  g_autoptr (GBytes) signature = NULL;
  Person *person;

  if (!moss_token_parse (header, &request->token, &message, &signature, error) ||
      !moss_token_check (&request->token, route_verb (request->route.kind),
                         request->route.tree.bytes, now_s (), error))
    return NULL;
  person = person_find (request->host, request->token.identity);
  if (!is_my_name (request, request->token.host))
    deny (error, "the token is for another host");
  else if (person == NULL)
    deny (error, "that identity is not admitted to this host");
  else if (person->chain == NULL)
    deny (error, "this host doesn't know the chain of that identity yet");
  else if (check_once (request, person, header, message, signature, error))
    return person;
  return NULL;
}

/**
 * trees_authorise:
 *
 * Main context, when the headers are there. Returns: %FALSE if @request is answered with a
 * refusal
 */
gboolean
trees_authorise (Request *request, const char *header)
{
  g_autoptr (GError) error = NULL;
  Person *person = authenticate (request, header, &error);

  if (person != NULL && !rate_take (&person->rate, REQUESTS_A_SECOND, REQUESTS_AT_ONCE,
                                    g_get_monotonic_time ()))
    {
      request_refuse (request, STATUS_TOO_MANY, "too many requests");
      return FALSE;
    }
  request->person = person;
  if (person != NULL && find_tree (request, person, &error) &&
      (request->route.kind != ROUTE_DELETE || spend (request, &error)))
    return TRUE;
  if (header == NULL)
    request_refuse (request, SOUP_STATUS_UNAUTHORIZED, "%s", error->message);
  else
    request_fail (request, error);
  return FALSE;
}

/* --- room --- */

static gboolean
is_disk_full (Host *host, guint64 more)
{
  struct statvfs fs;

  return statvfs (host->state_dir, &fs) == 0 &&
         (guint64) fs.f_bavail * fs.f_frsize < DISK_KEPT_BYTES + more;
}

/**
 * trees_reserve:
 *
 * Before the body is read. Returns: %FALSE if @request is answered with a refusal
 */
gboolean
trees_reserve (Request *request)
{
  Person *person = request->person;
  guint64 more = request->body_length + 80;

  if (request->route.kind != ROUTE_PUT_OBJECT && request->route.kind != ROUTE_MANY)
    return TRUE;
  if (person->used + person->reserved + more > person->quota)
    {
      request_refuse (request, SOUP_STATUS_INSUFFICIENT_STORAGE,
                      "the quota of %" G_GUINT64_FORMAT " bytes is used up", person->quota);
      return FALSE;
    }
  if (is_disk_full (request->host, more))
    {
      request_refuse (request, SOUP_STATUS_INSUFFICIENT_STORAGE, "this host's disk is full");
      return FALSE;
    }
  request->reserved = more;
  person->reserved += more;
  return TRUE;
}

void
trees_unreserve (Request *request)
{
  if (request->person != NULL)
    request->person->reserved -= request->reserved;
  request->reserved = 0;
}
