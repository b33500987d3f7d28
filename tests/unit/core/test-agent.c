// SPDX-License-Identifier: GPL-3.0-or-later
/* The keys and the identity of an agent, on the disk and when the disk fails. */
#include "core/agent/identity.h"

#include "chain-kit.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
  char *dir;
  MossAgentKeys keys;
  MossAgentIdentity identity;
  GBytes *fingerprint;
} Agent;

static void
load (Agent *agent)
{
  g_autoptr (GError) error = NULL;

  moss_agent_keys_load_or_make (&agent->keys, agent->dir, &error);
  g_assert_no_error (error);
  moss_agent_identity_load (&agent->identity, &agent->keys, agent->dir, &error);
  g_assert_no_error (error);
}

static void
unload (Agent *agent)
{
  moss_agent_identity_clear (&agent->identity);
  moss_agent_keys_clear (&agent->keys);
  memset (&agent->keys, 0, sizeof agent->keys);
  memset (&agent->identity, 0, sizeof agent->identity);
}

static void
restart (Agent *agent)
{
  unload (agent);
  load (agent);
}

static Agent *
agent_new (guint8 number)
{
  Agent *agent = g_new0 (Agent, 1);
  guint8 print[MOSS_HASH_BYTES] = { number };

  agent->dir = g_dir_make_tmp ("moss-agent-XXXXXX", NULL);
  agent->fingerprint = g_bytes_new (print, sizeof print);
  load (agent);
  return agent;
}

static void
agent_free (Agent *agent)
{
  static const char *const files[] = { "keys",    "chain", "seen", "seen.damaged",
                                       "joining", "fork" };

  unload (agent);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (agent->dir, files[i], NULL);

      g_unlink (path);
    }
  g_rmdir (agent->dir);
  g_free (agent->dir);
  g_bytes_unref (agent->fingerprint);
  g_free (agent);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Agent, agent_free)

static gboolean
create (Agent *agent, GError **error)
{
  return moss_agent_identity_create (&agent->identity, "me", agent->fingerprint, "One", error);
}

/* As netd does it: agreement there, statement here, chain there. */
static gboolean
join (Agent *old, Agent *new, GError **error)
{
  g_autoptr (GBytes) id =
      g_bytes_new (moss_chain_get_id (old->identity.chain), MOSS_HASH_BYTES);
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GBytes) reverse = NULL;

  return moss_agent_identity_join (&new->identity, id, new->fingerprint, "Two", &record,
                                   &reverse, error) &&
         moss_agent_identity_add (&old->identity, record, reverse, error) &&
         moss_agent_identity_take (&new->identity,
                                   moss_chain_get_bytes (old->identity.chain), error) != NULL;
}

static char *
tree_keys (Agent *agent)
{
  g_autoptr (GError) error = NULL;
  GVariant *keys = moss_agent_identity_tree_keys (&agent->identity, &error);
  char *text;

  g_assert_no_error (error);
  text = g_variant_print (g_variant_ref_sink (keys), FALSE);
  g_variant_unref (keys);
  return text;
}

static void
test_seal (void)
{
  g_autoptr (Agent) agent = agent_new (1);
  g_autoptr (GBytes) right = g_bytes_new_static ("right passphrase", 16);
  g_autoptr (GBytes) wrong = g_bytes_new_static ("wrong passphrase", 16);
  g_autoptr (GBytes) secret = g_bytes_ref (agent->keys.secret);
  g_autofree char *path = g_build_filename (agent->dir, "keys", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *file = NULL;
  gsize length;
  GStatBuf info;

  g_assert_true (moss_agent_keys_seal (&agent->keys, MOSS_SEALING_PASSPHRASE, NULL, right,
                                       &error));
  g_assert_true (g_file_get_contents (path, &file, &length, NULL));
  g_assert_null (memmem (file, length, g_bytes_get_data (secret, NULL), 32));
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 0777, ==, 0600);
  restart (agent);
  g_assert_true (moss_agent_keys_are_locked (&agent->keys));
  g_assert_false (create (agent, &error));
  g_assert_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_LOCKED);
  g_clear_error (&error);
  g_assert_false (moss_agent_keys_unlock (&agent->keys, wrong, &error));
  g_assert_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_WRONG);
  g_clear_error (&error);
  g_assert_true (moss_agent_keys_unlock (&agent->keys, right, &error));
  g_assert_true (g_bytes_equal (agent->keys.secret, secret));
}

/* Whatever is in the file: refused with a reason, or the keys are what they were. */
static void
test_damaged (void)
{
  g_autoptr (Agent) agent = agent_new (1);
  g_autoptr (GBytes) public_key = g_bytes_ref (agent->keys.public_key);
  g_autofree char *path = g_build_filename (agent->dir, "keys", NULL);
  g_autofree char *file = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &file, &length, NULL));
  for (gsize i = 0; i < length; i++)
    {
      MossAgentKeys keys = { 0 };
      g_autoptr (GError) error = NULL;

      file[i] ^= 1;
      g_assert_true (g_file_set_contents_full (path, file, length, G_FILE_SET_CONTENTS_NONE,
                                               0600, NULL));
      if (moss_agent_keys_load_or_make (&keys, agent->dir, &error) && keys.secret != NULL)
        g_assert_true (g_bytes_equal (keys.public_key, public_key));
      else
        g_assert_true (error != NULL || keys.secret == NULL);
      moss_agent_keys_clear (&keys);
      file[i] ^= 1;
    }
  g_assert_true (g_file_set_contents_full (path, file, length, G_FILE_SET_CONTENTS_NONE, 0644,
                                           NULL));
  g_chmod (path, 0644);
  {
    MossAgentKeys keys = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_false (moss_agent_keys_load_or_make (&keys, agent->dir, &error));
    g_assert_nonnull (strstr (error->message, "0600"));
    moss_agent_keys_clear (&keys);
  }
  g_chmod (path, 0600);
}

static void
test_join (void)
{
  g_autoptr (Agent) one = agent_new (1);
  g_autoptr (Agent) two = agent_new (2);
  g_autoptr (GError) error = NULL;
  g_autofree char *mine = NULL;
  g_autofree char *theirs = NULL;
  g_autofree char *rotated = NULL;

  g_assert_true (create (one, &error));
  /* Nobody is taken in who hasn't agreed. */
  g_assert_null (moss_agent_identity_take (
      &two->identity, moss_chain_get_bytes (one->identity.chain), &error));
  g_assert_error (error, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (join (one, two, &error));
  restart (one);
  restart (two);
  mine = tree_keys (one);
  theirs = tree_keys (two);
  g_assert_cmpstr (mine, ==, theirs);
  g_assert_true (moss_agent_identity_revoke (&one->identity, two->fingerprint, &error));
  rotated = tree_keys (one);
  g_assert_cmpstr (rotated, !=, mine);
  g_assert_true (g_str_has_prefix (rotated, "[(1, ") || strstr (rotated, "uint32 1") != NULL);
  g_assert_cmpstr (moss_agent_identity_take (&two->identity,
                                             moss_chain_get_bytes (one->identity.chain), NULL),
                   ==, "newer");
  g_assert_false (moss_agent_identity_is_alive (&two->identity));
  g_assert_null (moss_agent_identity_tree_keys (&two->identity, NULL));
}

/* The disk fails, or the agent is killed, at each write: what is there afterwards is the old
 * state or the new one, and works. */
static void
test_disk_fails (void)
{
  static const char *const points[] = { "agent-chain:fail", "seen-save:fail" };

  for (guint i = 0; i < G_N_ELEMENTS (points); i++)
    {
      g_autoptr (Agent) one = agent_new (1);
      g_autoptr (Agent) two = agent_new (2);
      g_autoptr (Agent) three = agent_new (3);
      g_autoptr (GError) error = NULL;
      guint before;

      g_setenv ("MOSS_FAULT", points[i], TRUE);
      g_assert_false (create (one, &error));
      g_assert_nonnull (strstr (error->message, "fail"));
      g_clear_error (&error);
      g_assert_null (one->identity.chain);
      g_unsetenv ("MOSS_FAULT");
      restart (one);
      if (one->identity.chain == NULL)
        g_assert_true (create (one, &error));
      before = moss_chain_get_n_devices (one->identity.chain);
      g_setenv ("MOSS_FAULT", points[i], TRUE);
      g_assert_false (join (one, two, &error));
      g_clear_error (&error);
      g_unsetenv ("MOSS_FAULT");
      restart (one);
      restart (two);
      g_assert_cmpstr (one->identity.problem, ==, "");
      g_assert_cmpuint (moss_chain_get_n_devices (one->identity.chain), <=, before + 1);
      g_assert_true (join (one, two, &error));
      g_assert_no_error (error);
      g_assert_true (join (one, three, &error));
      g_assert_no_error (error);
    }
}

static void
test_keys_not_written (void)
{
  g_autoptr (Agent) agent = agent_new (1);
  g_autoptr (GBytes) key = g_bytes_new_static ("12345678901234567890123456789012", 32);
  g_autoptr (GBytes) secret = g_bytes_ref (agent->keys.secret);
  g_autoptr (GError) error = NULL;

  g_setenv ("MOSS_FAULT", "agent-keys:fail", TRUE);
  g_assert_false (moss_agent_keys_seal (&agent->keys, MOSS_SEALING_KEYRING, "item", key,
                                        &error));
  g_unsetenv ("MOSS_FAULT");
  g_assert_cmpint (agent->keys.sealing, ==, MOSS_SEALING_NONE);
  restart (agent);
  g_assert_true (g_bytes_equal (agent->keys.secret, secret));
  g_clear_error (&error);
  g_assert_true (moss_agent_keys_seal (&agent->keys, MOSS_SEALING_KEYRING, "item", key,
                                       &error));
  restart (agent);
  g_assert_true (moss_agent_keys_are_locked (&agent->keys));
  g_assert_true (moss_agent_keys_unlock (&agent->keys, key, &error));
}

static void
test_fork (void)
{
  g_autoptr (Agent) one = agent_new (1);
  g_autoptr (Agent) two = agent_new (2);
  const char *const first[] = { "one.example:1", NULL };
  const char *const second[] = { "two.example:1", NULL };
  g_autoptr (GError) error = NULL;

  g_assert_true (create (one, &error) && join (one, two, &error));
  g_assert_true (moss_agent_identity_set_hosts (&one->identity, first, &error));
  g_assert_true (moss_agent_identity_set_hosts (&two->identity, second, &error));
  g_assert_null (moss_agent_identity_take (
      &one->identity, moss_chain_get_bytes (two->identity.chain), &error));
  g_assert_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FORKED);
  g_clear_error (&error);
  restart (one);
  g_assert_cmpstr (one->identity.problem, !=, "");
  g_assert_cmpstr (moss_chain_get_hosts (one->identity.chain)[0], ==, first[0]);
  g_assert_true (moss_agent_identity_resolve (&one->identity, FALSE, &error));
  g_assert_cmpstr (moss_chain_get_hosts (one->identity.chain)[0], ==, second[0]);
  restart (one);
  g_assert_cmpstr (one->identity.problem, ==, "");
  g_assert_cmpstr (moss_agent_identity_take (&one->identity,
                                             moss_chain_get_bytes (two->identity.chain), NULL),
                   ==, "same");
}

/* Nobody knows any more what was seen: the device goes on without an identity, and says so. */
static void
test_memory_damaged (void)
{
  g_autoptr (Agent) one = agent_new (1);
  g_autoptr (Agent) two = agent_new (2);
  g_autofree char *path = g_build_filename (one->dir, "seen", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (create (one, &error));
  g_assert_true (g_file_set_contents (path, "rubbish", 7, NULL));
  restart (one);
  g_assert_null (one->identity.chain);
  g_assert_nonnull (strstr (one->identity.problem, "damaged"));
  g_assert_false (create (one, &error));
  g_assert_nonnull (strstr (error->message, "damaged"));
  g_assert_false (moss_agent_keys_are_locked (&one->keys));
  /* Paired by a person it begins anew. */
  g_clear_error (&error);
  g_assert_true (create (two, &error) && join (two, one, &error));
  restart (one);
  g_assert_cmpstr (one->identity.problem, ==, "");
  g_assert_true (moss_agent_identity_is_alive (&one->identity));
}

static void
test_old_file (void)
{
  g_autoptr (Agent) agent = agent_new (1);
  g_autoptr (GBytes) secret = g_bytes_ref (agent->keys.secret);
  g_autofree char *keys = g_build_filename (agent->dir, "keys", NULL);
  g_autofree char *old = g_build_filename (agent->dir, "signing-key", NULL);
  g_autoptr (GVariant) file = g_variant_ref_sink (g_variant_new (
      "(uuu@a{sv}@ay@ay)", GUINT32_TO_LE (1), 0, GUINT32_TO_LE (MOSS_SUITE_SODIUM),
      g_variant_new ("a{sv}", NULL),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, secret, TRUE),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, agent->keys.public_key, TRUE)));

  g_unlink (keys);
  g_assert_true (g_file_set_contents_full (old, g_variant_get_data (file),
                                           g_variant_get_size (file),
                                           G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  restart (agent);
  g_assert_true (g_bytes_equal (agent->keys.secret, secret));
  g_assert_false (g_file_test (old, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!moss_crypto_init (NULL))
    return 1;
  g_test_add_func ("/agent/seal", test_seal);
  g_test_add_func ("/agent/damaged", test_damaged);
  g_test_add_func ("/agent/join", test_join);
#ifdef MOSS_FAULTS
  g_test_add_func ("/agent/disk-fails", test_disk_fails);
  g_test_add_func ("/agent/keys-not-written", test_keys_not_written);
#endif
  g_test_add_func ("/agent/fork", test_fork);
  g_test_add_func ("/agent/memory-damaged", test_memory_damaged);
  g_test_add_func ("/agent/old-file", test_old_file);
  return g_test_run ();
}
