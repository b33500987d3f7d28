// SPDX-License-Identifier: GPL-3.0-or-later
/* Those who are admitted, their chains, and the directory: name → identity → chain and hosts.
 *
 * Policy: a chain proves itself, so anybody may bring it; it is taken only for an identity that
 * was admitted, and only if it goes on where the one known before ends. A name is who claimed
 * it first's, unless --admit says whose it is. */
#define G_LOG_DOMAIN "moss-host"

#include "vfs/host/host.h"

#include <string.h>

Person *
person_find (Host *host, const guint8 *id)
{
  return g_hash_table_lookup (host->people, id);
}

/**
 * people_admit:
 * @text: "~id" or "~id=name"
 */
gboolean
people_admit (Host *host, const char *text, GError **error)
{
  const char *equals = strchr (text, '=');
  g_autofree char *id_text = equals == NULL ? g_strdup (text) : g_strndup (text, equals - text);
  guint8 id[MOSS_HASH_BYTES];
  Person *person;

  if (!moss_identity_id_from_text (id_text, id, error))
    return FALSE;
  if (equals != NULL && !route_name_ok (equals + 1))
    {
      g_set_error (error, MOSS_HOST_ERROR, MOSS_HOST_ERROR_INVALID,
                   "“%s” can't be a name: small letters, digits, “.”, “_” and “-”", equals + 1);
      return FALSE;
    }
  person = person_find (host, id);
  if (person == NULL)
    {
      person = g_new0 (Person, 1);
      memcpy (person->id, id, sizeof id);
      person->quota = host->quota;
      g_hash_table_insert (host->people, person->id, person);
    }
  if (equals == NULL)
    return TRUE;
  person->reserved_name = g_strdup (equals + 1);
  g_hash_table_replace (host->names_taken, person->reserved_name, person);
  return TRUE;
}

/* The part before the "@" of the name in a chain, if the chain claims it at this domain. */
static char *
claimed_name (Host *host, MossChain *chain)
{
  const char *name = moss_chain_get_name (chain);
  const char *at = name == NULL ? NULL : strchr (name, '@');
  g_autofree char *local = NULL;

  if (name == NULL || host->domain == NULL || (at != NULL && strcmp (at + 1, host->domain) != 0))
    return NULL;
  local = at == NULL ? g_strdup (name) : g_strndup (name, at - name);
  return route_name_ok (local) ? g_steal_pointer (&local) : NULL;
}

static void
claim_name (Host *host, Person *person)
{
  g_autofree char *name = claimed_name (host, person->chain);

  if (name != NULL && !g_hash_table_contains (host->names_taken, name))
    g_hash_table_insert (host->names_taken, g_steal_pointer (&name), person);
}

static void
use_chain (Host *host, Person *person, MossChain *chain)
{
  g_clear_pointer (&person->chain, moss_chain_unref);
  g_clear_pointer (&person->chain_bytes, g_bytes_unref);
  person->chain = moss_chain_ref (chain);
  person->chain_bytes = g_bytes_ref (moss_chain_get_bytes (chain));
  claim_name (host, person);
  g_hash_table_remove_all (host->checked); /* a device may be gone */
}

/* From the disk, before anything runs. */
void
people_load_chain (const guint8 *identity, GBytes *bytes, gpointer user_data)
{
  Host *host = user_data;
  Person *person = person_find (host, identity);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossChain) chain = NULL;

  if (person == NULL)
    return; /* no longer admitted */
  chain = moss_chain_parse (bytes, &error);
  if (chain == NULL)
    {
      g_warning ("a chain in the state: %s", error->message);
      return;
    }
  person->written = moss_chain_ref (chain);
  use_chain (host, person, chain);
}

static void
add_json_link (GString *json, const char *rel, const char *href)
{
  /* What would need escaping in JSON is in no address that anybody could use. */
  for (const char *c = href; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c) || *c == '"' || *c == '\\')
      return;
  g_string_append_printf (json, "%s{\"rel\":\"%s\",\"href\":\"%s\"}",
                          g_str_has_suffix (json->str, "[") ? "" : ",", rel, href);
}

/* RFC 7033. The chain is what counts; this only says where it is. */
void
people_finger (Request *request)
{
  Host *host = request->host;
  gboolean ours = host->domain != NULL && *request->route.name != '\0' &&
                  g_ascii_strcasecmp (request->route.domain, host->domain) == 0;
  Person *person =
      ours ? g_hash_table_lookup (host->names_taken, request->route.name) : NULL;
  g_autofree char *id = NULL;
  g_autofree char *at = NULL;
  GString *json;

  if (*request->route.name == '\0')
    request_refuse (request, SOUP_STATUS_BAD_REQUEST, "resource=acct:name@domain is missing");
  else if (person == NULL || person->chain == NULL)
    request_refuse (request, SOUP_STATUS_NOT_FOUND, "there is no “%s” here",
                    request->route.name);
  else
    {
      id = moss_identity_id_to_text (person->id);
      at = g_strconcat ("/id/", id, NULL);
      json = g_string_new (NULL);
      g_string_printf (json,
                       "{\"subject\":\"acct:%s@%s\",\"aliases\":[\"urn:moss:identity:%s\"],"
                       "\"links\":[",
                       request->route.name, host->domain, id);
      add_json_link (json, "urn:moss:chain", at);
      for (const char *const *url = moss_chain_get_hosts (person->chain); *url != NULL; url++)
        add_json_link (json, "urn:moss:host", *url);
      g_string_append (json, "]}");
      request_answer (request, SOUP_STATUS_OK, g_string_free_to_bytes (json));
    }
  request_send (request);
}

void
people_get_chain (Request *request)
{
  Person *person = person_find (request->host, request->route.identity);

  if (person == NULL || person->chain == NULL)
    request_refuse (request, SOUP_STATUS_NOT_FOUND, "this host has no chain of that identity");
  else
    request_answer (request, SOUP_STATUS_OK, g_bytes_ref (person->chain_bytes));
  request_send (request);
}

void
people_put_chain (Request *request)
{
  request->person = person_find (request->host, request->route.identity);
  if (request->person != NULL)
    {
      writer_push (request);
      return;
    }
  request_refuse (request, SOUP_STATUS_FORBIDDEN, "that identity is not admitted to this host");
  request_send (request);
}

/* Says with which answer a chain is not taken, or 0. */
static guint
judge (MossChain *chain, Request *request)
{
  MossChain *known = request->person->written;
  MossChainOrder order;

  if (memcmp (moss_chain_get_id (chain), request->person->id, MOSS_HASH_BYTES) != 0)
    return SOUP_STATUS_BAD_REQUEST;
  order = known == NULL ? MOSS_CHAIN_NEWER : moss_chain_compare (chain, known);
  if (order == MOSS_CHAIN_SAME)
    return SOUP_STATUS_OK;
  return order == MOSS_CHAIN_NEWER ? 0 : SOUP_STATUS_CONFLICT;
}

/**
 * people_write_chain:
 *
 * In the writer. Returns: %FALSE if the disk failed
 */
gboolean
people_write_chain (Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossChain) chain = moss_chain_parse (request->body, &error);
  guint refused;

  if (chain == NULL)
    {
      request_refuse (request, SOUP_STATUS_BAD_REQUEST, "%s", error->message);
      return TRUE;
    }
  refused = judge (chain, request);
  if (refused == SOUP_STATUS_CONFLICT)
    request_refuse (request, refused,
                    "that chain is older than what this host has, or contradicts it");
  else if (refused == SOUP_STATUS_BAD_REQUEST)
    request_refuse (request, refused, "that is the chain of another identity");
  request->chain = g_steal_pointer (&chain);
  if (refused != 0)
    {
      request->status = refused;
      return TRUE;
    }
  if (!host_db_set_chain (request->host->db, request->person->id, request->body, &error))
    {
      g_warning ("%s", error->message);
      return FALSE;
    }
  g_clear_pointer (&request->person->written, moss_chain_unref);
  request->person->written = moss_chain_ref (request->chain);
  request->status = SOUP_STATUS_NO_CONTENT;
  return TRUE;
}

/* Main context: it is on the disk. */
void
people_chain_written (Request *request)
{
  if (request->status == SOUP_STATUS_NO_CONTENT)
    use_chain (request->host, request->person, request->chain);
}
