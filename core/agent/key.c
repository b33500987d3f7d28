// SPDX-License-Identifier: LGPL-2.1-or-later
/* The file of a device's signing key: GVariant, normal form, little-endian,
 * (uuua{sv}ayay): version 1, sealing, suite, how it is sealed, sealed secret, public key.
 *
 * Sealing 0: the secret as it is; the mode of the file (0600) is what keeps it. Other numbers
 * are for secrets sealed under a passphrase: refused with a sentence, never guessed. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FORMAT "(uuua{sv}ayay)"

enum
{
  KEY_VERSION = 1,
  SEALING_NONE = 0,
  KEY_FILE_MAX = 65536,
};

static gboolean
refuse (const char *path, const char *reason, GError **error)
{
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_BAD_KEY,
               "the signing key %s can't be used: %s", path, reason);
  return FALSE;
}

static gboolean
fail (const char *path, int number, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number),
               "the signing key %s can't be read: %s", path, g_strerror (number));
  return FALSE;
}

/* Read into memory that is locked and wiped, for the secret is in there. */
static GBytes *
read_file (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  g_autoptr (GBytes) bytes = NULL;
  struct stat st;
  guint8 *data;
  gboolean whole;

  if (fd < 0 || fstat (fd, &st) < 0)
    {
      fail (path, errno, error);
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  if (!S_ISREG (st.st_mode) || st.st_size == 0 || st.st_size > KEY_FILE_MAX ||
      (st.st_mode & 077) != 0 || st.st_uid != geteuid ())
    {
      close (fd);
      refuse (path, "it isn't a file of the user's with mode 0600", error);
      return NULL;
    }
  bytes = moss_secret_new (st.st_size, &data);
  whole = read (fd, data, st.st_size) == st.st_size;
  close (fd);
  if (!whole)
    {
      fail (path, EIO, error);
      return NULL;
    }
  return g_steal_pointer (&bytes);
}

static GBytes *
child_bytes (GVariant *file, gsize index, gboolean is_secret)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (file, index);
  gsize length;
  const guint8 *data = g_variant_get_fixed_array (child, &length, 1);
  guint8 *locked;
  GBytes *secret;

  if (!is_secret)
    return g_bytes_new (data, length);
  secret = moss_secret_new (length, &locked);
  memcpy (locked, data, length);
  return secret;
}

/**
 * moss_signing_key_load:
 *
 * Fails with %G_IO_ERROR_NOT_FOUND if there is none yet.
 */
gboolean
moss_signing_key_load (const char *path, MossSigningKey *key, GError **error)
{
  g_autoptr (GBytes) bytes = read_file (path, error);
  g_autoptr (GVariant) file = NULL;
  g_autoptr (GBytes) stored_public = NULL;
  g_autoptr (GBytes) secret = NULL;
  g_autoptr (GBytes) public_key = NULL;
  guint32 version, sealing, suite;

  if (bytes == NULL)
    return FALSE;
  file = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (KEY_FORMAT), bytes, FALSE));
  if (!g_variant_is_normal_form (file))
    return refuse (path, "it is damaged", error);
  g_variant_get_child (file, 0, "u", &version);
  g_variant_get_child (file, 1, "u", &sealing);
  g_variant_get_child (file, 2, "u", &suite);
  version = GUINT32_FROM_LE (version);
  sealing = GUINT32_FROM_LE (sealing);
  suite = GUINT32_FROM_LE (suite);
  if (version != KEY_VERSION || sealing != SEALING_NONE)
    return refuse (path, "it was made by a newer version of Moss", error);
  secret = child_bytes (file, 4, TRUE);
  stored_public = child_bytes (file, 5, FALSE);
  public_key = moss_suite_signing_public (suite, secret, error);
  if (public_key == NULL)
    return FALSE;
  if (!g_bytes_equal (public_key, stored_public))
    return refuse (path, "its two halves don't belong together", error);
  key->suite = suite;
  key->secret = g_steal_pointer (&secret);
  key->public_key = g_steal_pointer (&public_key);
  return TRUE;
}

static GVariant *
byte_array (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

/**
 * moss_signing_key_make:
 *
 * Makes a key of the first suite and writes it, durable.
 */
gboolean
moss_signing_key_make (const char *path, MossSigningKey *key, GError **error)
{
  g_autoptr (GVariant) file = NULL;
  gboolean written;

  key->suite = MOSS_SUITE_SODIUM;
  if (!moss_suite_signing_keygen (key->suite, &key->secret, &key->public_key, error))
    return FALSE;
  file = g_variant_ref_sink (
      g_variant_new ("(uuu@a{sv}@ay@ay)", GUINT32_TO_LE (KEY_VERSION),
                     GUINT32_TO_LE (SEALING_NONE), GUINT32_TO_LE (key->suite),
                     g_variant_new ("a{sv}", NULL), byte_array (key->secret),
                     byte_array (key->public_key)));
  written = g_file_set_contents_full (
      path, g_variant_get_data (file), g_variant_get_size (file),
      G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
  moss_crypto_wipe ((gpointer) g_variant_get_data (file), g_variant_get_size (file));
  return written;
}

void
moss_signing_key_clear (MossSigningKey *key)
{
  g_clear_pointer (&key->secret, g_bytes_unref);
  g_clear_pointer (&key->public_key, g_bytes_unref);
}
