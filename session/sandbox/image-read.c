/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image is one or two magic numbers and then messages, each after its length in 32
 * bits. */
#define G_LOG_DOMAIN "moss-image"
#include "image-read.h"

#include <stdarg.h>
#include <string.h>

#define MAX_MESSAGE (16u << 20) /* a filter of 2 KiB for each process */
#define MAX_ID 65534

static gboolean
fail (ImageSet *set, GError **error, int code, const char *format, va_list args)
{
  g_autofree char *reason = g_strdup_vprintf (format, args);
  g_autofree char *valid = g_utf8_make_valid (reason, -1);

  g_set_error (error, MOSS_IMAGE_ERROR, code, "images: %s: %.400s",
               set->name != NULL ? set->name : "all together", valid);
  return FALSE;
}

#define DEFINE_FAIL(function, code)                                                      \
  gboolean function (ImageSet *set, GError **error, const char *format, ...)             \
  {                                                                                      \
    va_list args;                                                                        \
    va_start (args, format);                                                             \
    fail (set, error, code, format, args);                                               \
    va_end (args);                                                                       \
    return FALSE;                                                                        \
  }

DEFINE_FAIL (image_corrupt, MOSS_IMAGE_ERROR_CORRUPT)
DEFINE_FAIL (image_denied, MOSS_IMAGE_ERROR_DENIED)
DEFINE_FAIL (image_foreign, MOSS_IMAGE_ERROR_FOREIGN)

static gboolean
read_word (ImageReader *r, guint32 *word, GError **error)
{
  if (r->size - r->at < sizeof *word)
    return image_corrupt (r->set, error, "cut short");
  memcpy (word, r->data + r->at, sizeof *word);
  *word = GUINT32_FROM_LE (*word);
  r->at += sizeof *word;
  return TRUE;
}

gboolean
image_read_magic (ImageReader *r, guint32 value, GError **error)
{
  guint32 word = 0;

  if (!read_word (r, &word, error))
    return FALSE;
  return word == value
         || image_corrupt (r->set, error, "is not what its name says (%08x)", word);
}

gboolean
image_at_end (ImageReader *r)
{
  return r->at == r->size;
}

gboolean
image_skip (ImageReader *r, guint64 bytes, GError **error)
{
  if (bytes > r->size - r->at)
    return image_corrupt (r->set, error, "cut short");
  r->at += bytes;
  return TRUE;
}

/* Whatever a newer CRIU would act upon and this checker does not know must not get
 * through. */
static gboolean
has_unknown (const ProtobufCMessage *message)
{
  const ProtobufCMessageDescriptor *type = message->descriptor;
  const guint8 *base = (const guint8 *)message;

  if (message->n_unknown_fields > 0)
    return TRUE;
  for (unsigned i = 0; i < type->n_fields; i++)
    {
      const ProtobufCFieldDescriptor *field = &type->fields[i];

      if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        continue;
      if (field->label == PROTOBUF_C_LABEL_REPEATED)
        {
          gsize n = *(const size_t *)(base + field->quantifier_offset);
          ProtobufCMessage *const *all
              = *(ProtobufCMessage *const *const *)(base + field->offset);

          for (gsize k = 0; k < n; k++)
            if (has_unknown (all[k]))
              return TRUE;
        }
      else
        {
          const ProtobufCMessage *one
              = *(ProtobufCMessage *const *)(base + field->offset);

          if (one != NULL && has_unknown (one))
            return TRUE;
        }
    }
  return FALSE;
}

gpointer
image_read_message (ImageReader *r,
                    const ProtobufCMessageDescriptor *type,
                    GError **error)
{
  ProtobufCMessage *message;
  guint32 size = 0;

  if (!read_word (r, &size, error))
    return NULL;
  if (size > MAX_MESSAGE || size > r->size - r->at)
    {
      image_corrupt (r->set, error, "an entry is cut short or too big (%u bytes)", size);
      return NULL;
    }
  message = protobuf_c_message_unpack (type, NULL, size, r->data + r->at);
  if (message == NULL)
    {
      image_corrupt (r->set, error, "the entry at byte %" G_GSIZE_FORMAT " can't be read",
                     r->at);
      return NULL;
    }
  if (has_unknown (message))
    {
      protobuf_c_message_free_unpacked (message, NULL);
      image_denied (r->set, error,
                    "the entry at byte %" G_GSIZE_FORMAT " (%s) has a field that "
                    "this version does not know",
                    r->at, type->short_name);
      return NULL;
    }
  r->at += size;
  return message;
}

gboolean
image_each (ImageReader *r,
            const ProtobufCMessageDescriptor *type,
            ImageMessageChecker check,
            GError **error)
{
  while (!image_at_end (r))
    {
      gpointer message = image_read_message (r, type, error);
      gboolean ok = message != NULL && check (r, message, error);

      if (message != NULL)
        protobuf_c_message_free_unpacked (message, NULL);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

gboolean
image_only (ImageReader *r,
            const ProtobufCMessageDescriptor *type,
            ImageMessageChecker check,
            GError **error)
{
  gpointer message = image_read_message (r, type, error);
  gboolean ok = message != NULL && check (r, message, error);

  if (message != NULL)
    protobuf_c_message_free_unpacked (message, NULL);
  if (ok && !image_at_end (r))
    return image_corrupt (r->set, error, "something follows its only entry");
  return ok;
}

gboolean
image_remember (GHashTable *table, guint32 number)
{
  return g_hash_table_insert (table, GUINT_TO_POINTER (number), GUINT_TO_POINTER (1));
}

gboolean
image_knows (GHashTable *table, guint32 number)
{
  return g_hash_table_contains (table, GUINT_TO_POINTER (number));
}

void
image_use_file (ImageSet *set, guint32 id)
{
  if (!g_hash_table_contains (set->file_users, GUINT_TO_POINTER (id)))
    g_hash_table_insert (set->file_users, GUINT_TO_POINTER (id), g_strdup (set->name));
}

gboolean
image_check_ids (
    ImageSet *set, guint32 uid, guint32 gid, const char *what, GError **error)
{
  if (uid > MAX_ID || gid > MAX_ID)
    return image_denied (set, error, "%s has a user or group outside the sandbox (%u:%u)",
                         what, uid, gid);
  return TRUE;
}

/* Absolute, no empty or special component. */
gboolean
image_check_path (ImageSet *set, const char *path, GError **error)
{
  if (path[0] != '/' || strlen (path) > 4095)
    return image_denied (set, error, "\"%.100s\" is not an absolute path", path);
  for (const char *p = path; *p == '/' && p[1] != '\0';)
    {
      const char *end = strchrnul (++p, '/');
      gsize n = end - p;

      if (n == 0 || n > 255 || (n == 1 && p[0] == '.')
          || (n == 2 && p[0] == '.' && p[1] == '.'))
        return image_denied (set, error, "\"%.100s\" leads astray", path);
      p = end;
    }
  return TRUE;
}
