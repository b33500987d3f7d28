/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "function-data.h"
#include "text.h"

#include "ffi-broker/types/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  SNIFF_BYTES = 4096,
  STDIN_PIECE = 256 * 1024,
};

#define STDIN_MAX ((gsize) 4 << 30)

static gpointer
fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gpointer
fail (GError **error, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL, *clean = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  clean = moss_text_clean (text);
  g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, clean);
  return NULL;
}

/* The media type of a file, by its name and its first bytes. */
static char *
guess_media (const char *file)
{
  guint8 start[SNIFF_BYTES];
  int fd = file != NULL && !g_str_equal (file, "-") ? open (file, O_RDONLY | O_CLOEXEC) : -1;
  gssize n = fd >= 0 ? pread (fd, start, sizeof start, 0) : 0;
  g_autofree char *type = g_content_type_guess (file, start, MAX (n, 0), NULL);
  char *media = g_content_type_get_mime_type (type);

  if (fd >= 0)
    close (fd);
  return media != NULL ? media : g_strdup ("application/octet-stream");
}

/* "encode video/x-raw -> image/png" to "encode(video/x-raw) -> image/png". */
static char *
from_key (const char *word)
{
  const char *arrow = strstr (word, " -> ");
  g_autofree char *left = arrow != NULL ? g_strndup (word, arrow - word) : NULL;
  char *inputs = left != NULL ? strchr (left, '/') : NULL;

  while (inputs != NULL && inputs > left && inputs[-1] != ' ')
    inputs--;
  if (inputs == NULL || inputs == left)
    return NULL;
  inputs[-1] = '\0';
  return g_strdup_printf ("%s(%s)%s", left, inputs, arrow);
}

char *
moss_function_complete (const char *word, const char *file, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (word, &cause);
  g_autofree char *text = NULL, *media = NULL;

  if (capability != NULL)
    return g_strdup (word);
  if (strchr (word, '(') == NULL && strstr (word, "->") == NULL && strchr (word, '/') != NULL)
    {
      media = guess_media (file);
      text = g_strdup_printf ("convert(%s) -> %s", media, word);
    }
  else
    text = from_key (word);
  capability = text != NULL ? moss_ffi_capability_parse (text, NULL) : NULL;
  if (capability != NULL)
    return g_steal_pointer (&text);
  return fail (error, _ ("“%s” is no capability: %s"), word, cause->message);
}

gboolean
moss_function_is_option (const char *word)
{
  gsize name = strspn (word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

  return name > 0 && word[name] == '=' && g_ascii_isalpha (word[0]);
}

static GBytes *
read_stdin (GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  if (isatty (STDIN_FILENO))
    moss_cli_say (_ ("No file is named: what you type is the input. Ctrl-D ends it."));

  for (;;)
    {
      gsize before = bytes->len;
      gssize n;

      g_byte_array_set_size (bytes, before + STDIN_PIECE);
      n = read (STDIN_FILENO, bytes->data + before, STDIN_PIECE);
      if (n < 0 && errno != EINTR)
        return fail (error, _ ("stdin can't be read: %s"), g_strerror (errno));
      g_byte_array_set_size (bytes, before + MAX (n, 0));
      if (n == 0)
        return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
      if (bytes->len > STDIN_MAX - STDIN_PIECE || bytes->len > G_MAXUINT - 2 * STDIN_PIECE)
        return fail (error, _ ("stdin is longer than a function's input may be"));
    }
}

static MossFfiBuffer *
read_file (const char *file, const char *caps, GError **error)
{
  g_autoptr (GError) cause = NULL;
  MossFfiBuffer *buffer = NULL;
  struct stat about;
  int fd = open (file, O_RDONLY | O_CLOEXEC);

  if (fd < 0 || fstat (fd, &about) < 0)
    fail (error, "%s: %s", file, g_strerror (errno));
  else if (!S_ISREG (about.st_mode))
    fail (error, _ ("%s is no file"), file);
  else
    {
      buffer = moss_ffi_buffer_new_for_fd (caps, fd, 0, about.st_size, &cause);
      if (buffer == NULL)
        fail (error, "%s: %s", file, cause->message);
    }
  if (fd >= 0)
    close (fd);
  return buffer;
}

/* As the request says; what it leaves open is the file's type. */
static char *
input_caps (const MossFfiCaps *asked, const char *file)
{
  g_autofree char *media = NULL;

  if (!g_str_equal (moss_ffi_caps_get_media (asked), "application/octet-stream"))
    return g_strdup (moss_ffi_caps_get_text (asked));
  media = guess_media (file);
  return g_steal_pointer (&media);
}

GPtrArray *
moss_function_read_inputs (const char *request, GPtrArray *files, GError **error)
{
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (request, NULL);
  g_autoptr (GPtrArray) inputs =
      g_ptr_array_new_with_free_func ((GDestroyNotify) moss_ffi_buffer_unref);

  if (files->len > capability->inputs->len)
    return fail (error, _ ("“%s” is one file too many: it takes %u"),
                 (char *) files->pdata[capability->inputs->len], capability->inputs->len);
  for (guint i = 0; i < capability->inputs->len; i++)
    {
      const char *file = i < files->len ? files->pdata[i] : "-";
      g_autofree char *caps = input_caps (moss_ffi_capability_get_input (capability, i), file);
      g_autoptr (GBytes) bytes = NULL;
      MossFfiBuffer *buffer;

      if (!g_str_equal (file, "-"))
        buffer = read_file (file, caps, error);
      else
        {
          bytes = read_stdin (error);
          buffer = bytes != NULL ? moss_ffi_buffer_new (caps, bytes) : NULL;
        }
      if (buffer == NULL)
        return NULL;
      g_ptr_array_add (inputs, buffer);
    }
  return g_steal_pointer (&inputs);
}

/* --- options --- */

static char *
type_in (const MossFfiCapability *capability, const char *name)
{
  const MossFfiOption *option =
      capability != NULL ? moss_ffi_capability_get_option (capability, name) : NULL;

  return option != NULL ? g_strdup (option->type) : NULL;
}

/* As those say who offer it. */
static char *
find_type (const char *request, const char *name)
{
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (request, NULL);
  MossDBusFunctionBroker1 *broker = moss_cli_get_broker (NULL);
  g_autoptr (GVariant) offers = NULL;
  char *type = type_in (capability, name);

  if (type != NULL || broker == NULL ||
      !moss_dbus_function_broker1_call_query_sync (broker, "", &offers, NULL, NULL))
    return type;
  for (gsize i = 0; type == NULL && i < g_variant_n_children (offers); i++)
    {
      g_autoptr (GVariant) offer = g_variant_get_child_value (offers, i);
      g_autoptr (MossFfiCapability) one =
          moss_ffi_capability_parse (moss_dict_string (offer, "capability"), NULL);

      if (one != NULL && one->verb == capability->verb &&
          g_str_equal (one->operation, capability->operation))
        type = type_in (one, name);
    }
  return type;
}

static GVariant *
parse_value (const char *type, const char *text)
{
  g_autofree char *quoted = NULL;
  GVariant *value;

  if (g_strcmp0 (type, "s") == 0)
    return g_variant_ref_sink (g_variant_new_string (text));
  value = g_variant_parse (type != NULL ? G_VARIANT_TYPE (type) : NULL, text, NULL, NULL, NULL);
  if (value == NULL && type == NULL)
    value = g_variant_ref_sink (g_variant_new_string (text));
  return value;
}

GVariant *
moss_function_read_options (const char *request, GPtrArray *words, gboolean lossy,
                            gboolean local, const char *quality, GError **error)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (NULL);

  for (guint i = 0; i < words->len; i++)
    {
      const char *word = words->pdata[i];
      const char *equals = strchr (word, '=');
      g_autofree char *name = g_strndup (word, equals - word);
      g_autofree char *type = find_type (request, name);
      g_autoptr (GVariant) value =
          g_utf8_validate (equals, -1, NULL) ? parse_value (type, equals + 1) : NULL;

      if (value == NULL)
        return fail (error, _ ("“%s”: that is no value of the type “%s”"), word,
                     type != NULL ? type : "s");
      g_variant_dict_insert_value (dict, name, value);
    }
  if (lossy)
    g_variant_dict_insert (dict, "want:lossy", "b", TRUE);
  if (local)
    g_variant_dict_insert (dict, "want:local", "b", TRUE);
  if (quality != NULL)
    g_variant_dict_insert (dict, "want:quality", "s", quality);
  return g_variant_ref_sink (g_variant_dict_end (dict));
}

GVariant *
moss_function_wants (const MossFunctionOptions *options, guint64 bytes)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "bytes", "t", bytes);
  g_variant_dict_insert (&dict, "lossy", "b", options->lossy);
  g_variant_dict_insert (&dict, "local", "b", options->local);
  if (options->quality != NULL)
    g_variant_dict_insert (&dict, "quality", "s", options->quality);
  return g_variant_dict_end (&dict);
}

/* --- results --- */

char *
moss_function_duration (double us)
{
  if (!(us > 0))
    return g_strdup ("–");
  if (us < 1000)
    return g_strdup_printf (_ ("%.0f µs"), us);
  if (us < 1e6)
    return g_strdup_printf (us < 1e4 ? _ ("%.1f ms") : _ ("%.0f ms"), us / 1000);
  return g_strdup_printf (_ ("%.1f s"), us / 1e6);
}

static gboolean
is_binary (const char *media)
{
  static const char *const kinds[] = { "image/", "audio/", "video/", "font/",
                                       "application/x-moss-tensor", "application/zip",
                                       "application/gzip", "application/zstd" };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_prefix (media, kinds[i]))
      return TRUE;
  return FALSE;
}

gboolean
moss_function_may_print (const char *media, const char *path, GError **error)
{
  if (path != NULL || !is_binary (media) || !isatty (STDOUT_FILENO))
    return TRUE;
  fail (error, _ ("the result is no text (%s). Write it to a file with -o FILE, or to another "
                  "program with a pipe"), media);
  return FALSE;
}

static gboolean
write_all (int fd, const char *name, const guint8 *data, gsize size, GError **error)
{
  while (size > 0)
    {
      gssize n = write (fd, data, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          fail (error, _ ("%s can't be written: %s"), name, g_strerror (errno));
          return FALSE;
        }
      data += n;
      size -= n;
    }
  return TRUE;
}

/* Into what is there and is no file, as a pipe or a device is: it is written to, and not replaced
 * by a file of its name. */
static gboolean
write_into (const char *path, const guint8 *data, gsize size, GError **error)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  gboolean done;

  if (fd < 0)
    {
      fail (error, _ ("%s can't be written: %s"), path, g_strerror (errno));
      return FALSE;
    }
  done = write_all (fd, path, data, size, error);
  close (fd);
  return done;
}

gboolean
moss_function_write (MossFfiBuffer *buffer, const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (buffer, &cause);
  struct stat about;
  gsize size;
  gconstpointer data;

  if (bytes == NULL)
    {
      fail (error, "%s", cause->message);
      return FALSE;
    }
  data = g_bytes_get_data (bytes, &size);
  if (path == NULL || g_str_equal (path, "-"))
    return write_all (STDOUT_FILENO, "stdout", data, size, error);
  if (stat (path, &about) == 0 && !S_ISREG (about.st_mode))
    return write_into (path, data, size, error);
  if (g_file_set_contents (path, data, size, &cause))
    return TRUE;
  fail (error, "%s", cause->message);
  return FALSE;
}

void
moss_function_print_values (GVariant *values)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *text = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                                  ? moss_text_clean (g_variant_get_string (value, NULL))
                                  : g_variant_print (value, FALSE);

      if (g_str_equal (name, "value") || g_variant_n_children (values) == 1)
        g_print ("%s\n", text);
      else
        g_print ("%s: %s\n", name, text);
    }
}
