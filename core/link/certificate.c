// SPDX-License-Identifier: LGPL-2.1-or-later
/* The certificate by which other devices know this one. Nobody signs it and nobody reads what
 * it says: its fingerprint (SHA-256 of the DER form) is pinned on the other side. It carries no
 * name, for it is shown to whoever connects. */
#define G_LOG_DOMAIN "moss-link"

#include "core/link/certificate.h"

#include "core/clock.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

static gboolean
check (int result, const char *what, GError **error)
{
  if (result >= 0)
    return TRUE;
  g_set_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FAILED,
               "the device certificate can't be made (%s): %s", what,
               gnutls_strerror (result));
  return FALSE;
}

static gboolean
fill (gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, GError **error)
{
  guint8 serial[16];
  time_t now = moss_clock_now_us () / G_USEC_PER_SEC;

  moss_crypto_random (serial, sizeof serial);
  serial[0] &= 0x7f;
  /* Validity is not what trust hangs on, and a wrong clock must not lock anybody out. */
  return check (gnutls_x509_privkey_generate (key, GNUTLS_PK_EDDSA_ED25519, 0, 0), "key",
                error) &&
         check (gnutls_x509_crt_set_version (crt, 3), "version", error) &&
         check (gnutls_x509_crt_set_key (crt, key), "set key", error) &&
         check (gnutls_x509_crt_set_serial (crt, serial, sizeof serial), "serial", error) &&
         check (gnutls_x509_crt_set_activation_time (crt, now - 10 * 365 * 86400), "time",
                error) &&
         check (gnutls_x509_crt_set_expiration_time (crt, now + 50LL * 365 * 86400), "time",
                error) &&
         check (gnutls_x509_crt_set_dn (crt, "CN=moss", NULL), "subject", error) &&
         check (gnutls_x509_crt_sign2 (crt, crt, key, GNUTLS_DIG_SHA512, 0), "sign", error);
}

static GBytes *
make_pem (GError **error)
{
  gnutls_x509_crt_t crt;
  gnutls_x509_privkey_t key;
  gnutls_datum_t crt_pem = { 0 }, key_pem = { 0 };
  GString *text = NULL;

  gnutls_x509_crt_init (&crt);
  gnutls_x509_privkey_init (&key);
  if (fill (crt, key, error) &&
      check (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_PEM, &crt_pem), "export", error) &&
      check (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL,
                                                GNUTLS_PKCS_PLAIN, &key_pem),
             "export", error))
    {
      text = g_string_new_len ((const char *) key_pem.data, key_pem.size);
      g_string_append_len (text, (const char *) crt_pem.data, crt_pem.size);
    }
  gnutls_free (crt_pem.data);
  gnutls_free (key_pem.data);
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_privkey_deinit (key);
  return text == NULL ? NULL : g_string_free_to_bytes (text);
}

/**
 * moss_certificate_load_or_make:
 * @path: PEM, key and certificate; made with mode 0600 if it isn't there
 *
 * Returns: (transfer full): the certificate with its private key
 */
GTlsCertificate *
moss_certificate_load_or_make (const char *path, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_autoptr (GBytes) pem = make_pem (error);

      if (pem == NULL ||
          !g_file_set_contents_full (
              path, g_bytes_get_data (pem, NULL), g_bytes_get_size (pem),
              G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error))
        return NULL;
    }
  return g_tls_certificate_new_from_file (path, error);
}

/**
 * moss_certificate_fingerprint:
 *
 * Returns: (transfer full): the device id: lower-case hex SHA-256 of the DER form
 */
char *
moss_certificate_fingerprint (GTlsCertificate *certificate)
{
  g_autoptr (GByteArray) der = NULL;

  g_object_get (certificate, "certificate", &der, NULL);
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, der->data, der->len);
}

/**
 * moss_fingerprint_parse:
 * @text: as a person gives it, with colons or spaces, in capitals or not
 *
 * Returns: (transfer full): a device id
 */
char *
moss_fingerprint_parse (const char *text, GError **error)
{
  g_autoptr (GString) clean = g_string_new (NULL);

  for (; *text != '\0' && clean->len <= MOSS_FINGERPRINT_CHARS; text++)
    {
      if (g_ascii_isxdigit (*text))
        g_string_append_c (clean, g_ascii_tolower (*text));
      else if (*text != ':' && *text != '-' && !g_ascii_isspace (*text))
        break;
    }
  if (*text == '\0' && clean->len == MOSS_FINGERPRINT_CHARS)
    return g_strdup (clean->str);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "a fingerprint has %d characters 0–9 and a–f; “moss device id” on the other "
               "device shows it",
               MOSS_FINGERPRINT_CHARS);
  return NULL;
}

/* @fingerprint: a device id; @bytes: room for 32 */
void
moss_fingerprint_to_bytes (const char *fingerprint, guint8 *bytes)
{
  for (guint i = 0; i < MOSS_HASH_BYTES; i++)
    bytes[i] = (g_ascii_xdigit_value (fingerprint[2 * i]) << 4) |
               g_ascii_xdigit_value (fingerprint[2 * i + 1]);
}
