// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/link/certificate.h"
#include "core/link/frame.h"

#include <glib/gstdio.h>
#include <string.h>

static gboolean
accepts (MossFrameState *state, guint8 type, guint32 body_length)
{
  guint8 bytes[MOSS_FRAME_HEAD];
  MossFrameHead head;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  moss_frame_write_head (bytes, type, 77, body_length);
  ok = moss_frame_read_head (state, bytes, &head, &error);
  if (ok)
    {
      g_assert_cmpuint (head.type, ==, type);
      g_assert_cmpuint (head.request, ==, 77);
      g_assert_cmpuint (head.body_length, ==, body_length);
    }
  else
    g_assert_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_PROTOCOL);
  return ok;
}

static void
test_order (void)
{
  MossFrameState state = { 0 };

  g_assert_false (accepts (&state, MOSS_FRAME_PING, 0));
  g_assert_false (accepts (&state, 99, 0));
  g_assert_true (accepts (&state, MOSS_FRAME_HELLO, 100));
  g_assert_false (accepts (&state, MOSS_FRAME_HELLO, 100));
  g_assert_true (accepts (&state, MOSS_FRAME_PING, 0));
  g_assert_true (accepts (&state, 99, 1000)); /* from the future: skipped */
}

static void
test_lengths (void)
{
  static const struct
  {
    guint8 type;
    guint32 max;
  } limits[] = { { MOSS_FRAME_STATUS, 4096 },
                 { MOSS_FRAME_PING, 0 },
                 { MOSS_FRAME_CANCEL, 0 },
                 { MOSS_FRAME_ERROR, 65536 },
                 { MOSS_FRAME_CALL, MOSS_FRAME_MAX_BODY },
                 { MOSS_FRAME_OBJECT, MOSS_OBJECT_MAX_SEALED },
                 { MOSS_FRAME_PART_OF, MOSS_FRAME_PART },
                 { 99, MOSS_FRAME_MAX_BODY } };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      MossFrameState state = { .greeted = TRUE };
      MossFrameState other = { .greeted = TRUE };

      g_assert_true (accepts (&state, limits[i].type, limits[i].max));
      g_assert_false (accepts (&other, limits[i].type, limits[i].max + 1));
    }
  guint8 bytes[MOSS_FRAME_HEAD] = { 8 };
  MossFrameState state = { .greeted = TRUE };
  MossFrameHead head;
  g_assert_false (moss_frame_read_head (&state, bytes, &head, NULL));
  memset (bytes, 0xff, sizeof bytes);
  g_assert_false (moss_frame_read_head (&state, bytes, &head, NULL));
}

static void
test_parts (void)
{
  MossFrameState state = { .greeted = TRUE };
  guint count = 0;

  g_assert_false (accepts (&state, MOSS_FRAME_PART_OF, 0));
  while (accepts (&state, MOSS_FRAME_PART_OF, MOSS_FRAME_PART))
    count++;
  g_assert_cmpuint (count, ==, MOSS_OBJECT_MAX_SEALED / MOSS_FRAME_PART);
  g_assert_true (accepts (&state, MOSS_FRAME_PING, 0));
  g_assert_true (accepts (&state, MOSS_FRAME_OBJECT, 10));
  g_assert_true (accepts (&state, MOSS_FRAME_PART_OF, MOSS_FRAME_PART));
}

static void
test_bodies (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) frame = moss_frame_new (
      MOSS_FRAME_CALL, 5, g_variant_new ("(sv)", "offer", g_variant_new_uint32 (7)), &error);
  g_autoptr (GBytes) good = NULL;
  g_autoptr (GBytes) cut = NULL;
  g_autoptr (GVariant) body = NULL;

  g_assert_no_error (error);
  good = g_bytes_new (((const guint8 *) g_bytes_get_data (frame, NULL)) + MOSS_FRAME_HEAD,
                      g_bytes_get_size (frame) - MOSS_FRAME_HEAD);
  g_assert_true (moss_frame_read_body (MOSS_FRAME_CALL, good, &body, &error));
  g_assert_cmpstr (g_variant_get_type_string (body), ==, "(sv)");
  cut = g_bytes_new_from_bytes (good, 0, g_bytes_get_size (good) - 1);
  g_clear_pointer (&body, g_variant_unref);
  g_assert_false (moss_frame_read_body (MOSS_FRAME_CALL, cut, &body, &error));
  g_assert_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_PROTOCOL);
  g_assert_null (body);
  g_clear_error (&error);

  g_autofree char *large = g_strnfill (MOSS_FRAME_MAX_BODY, 'x');
  g_assert_null (moss_frame_new (MOSS_FRAME_REPLY, 1,
                                 g_variant_new_variant (g_variant_new_string (large)), &error));
  g_assert_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID);
}

static void
test_hello (gconstpointer data)
{
  guint suite = GPOINTER_TO_UINT (data);
  guint8 fingerprint[MOSS_HASH_BYTES] = { 1, 2, 3 };
  g_auto (MossHello) hello = { 0 };
  g_auto (MossHello) back = { 0 };
  g_auto (MossHello) wrong = { 0 };
  g_autoptr (GBytes) secret = NULL;
  g_autoptr (GVariant) body = NULL;

  hello.name = g_strdup ("my\nlaptop\xe2\x80\xae");
  hello.arch = g_strdup ("x86_64");
  hello.kind = g_strdup ("laptop");
  hello.suite = suite;
  hello.port = 42117;
  g_assert_true (moss_suite_signing_keygen (suite, &secret, &hello.signing_key, NULL));
  hello.proof = moss_sign_domain (suite, secret, "moss-link-1", fingerprint,
                                  sizeof fingerprint, NULL);
  body = g_variant_ref_sink (moss_hello_to_variant (&hello));
  g_assert_true (moss_hello_from_variant (body, fingerprint, &back, NULL));
  g_assert_cmpstr (back.name, ==, "mylaptop");
  g_assert_cmpuint (back.port, ==, 42117);
  g_assert_true (g_bytes_equal (back.signing_key, hello.signing_key));
  fingerprint[0] ^= 1; /* the key of one device, shown by another */
  g_assert_false (moss_hello_from_variant (body, fingerprint, &wrong, NULL));
}

static void
test_ids (void)
{
  MossId ids[2] = { { { 1 } }, { { 2 } } };
  g_autoptr (GVariant) good = g_variant_ref_sink (moss_ids_to_variant (ids, 2));
  g_autoptr (GArray) back = moss_ids_from_variant (good, 2, NULL);
  g_autoptr (GVariant) bad =
      g_variant_ref_sink (g_variant_new_parsed ("[[byte 1, 2, 3]]"));

  g_assert_cmpmem (back->data, back->len * sizeof (MossId), ids, sizeof ids);
  g_assert_null (moss_ids_from_variant (good, 1, NULL));
  g_assert_null (moss_ids_from_variant (bad, 1, NULL));
}

static void
test_fingerprint (void)
{
  g_autofree char *plain = g_strnfill (64, 'a');
  g_autofree char *spelled = NULL;
  g_autofree char *longer = g_strconcat (plain, "a", NULL);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 32; i++)
    g_string_append_printf (text, "%sAa", i == 0 ? "" : i % 2 == 0 ? " " : ":");
  spelled = moss_fingerprint_parse (text->str, NULL);
  g_assert_cmpstr (spelled, ==, plain);
  g_assert_null (moss_fingerprint_parse ("", NULL));
  g_assert_null (moss_fingerprint_parse (longer, NULL));
  g_assert_null (moss_fingerprint_parse (plain + 1, NULL));
  plain[5] = 'g';
  g_assert_null (moss_fingerprint_parse (plain, NULL));
  g_string_free (text, TRUE);
}

static void
test_certificate (void)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-cert-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "certificate.pem", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GTlsCertificate) made = moss_certificate_load_or_make (path, &error);
  g_autoptr (GTlsCertificate) loaded = NULL;
  GStatBuf st;

  g_assert_no_error (error);
  loaded = moss_certificate_load_or_make (path, &error);
  g_assert_no_error (error);
  g_autofree char *first = moss_certificate_fingerprint (made);
  g_autofree char *second = moss_certificate_fingerprint (loaded);
  g_assert_cmpstr (first, ==, second);
  g_assert_cmpuint (strlen (first), ==, MOSS_FINGERPRINT_CHARS);
  g_assert_cmpint (g_stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 0777, ==, 0600);
  g_unlink (path);
  g_rmdir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (moss_crypto_init (NULL));
  g_test_add_func ("/frame/order", test_order);
  g_test_add_func ("/frame/lengths", test_lengths);
  g_test_add_func ("/frame/parts", test_parts);
  g_test_add_func ("/frame/bodies", test_bodies);
  g_test_add_data_func ("/frame/hello/1", GUINT_TO_POINTER (1), test_hello);
  g_test_add_data_func ("/frame/hello/2", GUINT_TO_POINTER (2), test_hello);
  g_test_add_func ("/frame/ids", test_ids);
  g_test_add_func ("/frame/fingerprint", test_fingerprint);
  g_test_add_func ("/frame/certificate", test_certificate);
  return g_test_run ();
}
