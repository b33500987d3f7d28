/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: the desktop's looks reach apps through one file that GIO's keyfile backend watches. The
 * keys are a fixed list, the values are checked for their type and quoted; whatever else
 * stands in the file is the apps' own and stays. The file belongs to the app's user: it is
 * written under that user's file system id, so a link in its place leads nowhere new. */

#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS_DIR INIT_HOME "/.config/glib-2.0/settings"
#define SETTINGS_FILE SETTINGS_DIR "/keyfile"
#define SETTINGS_NEW SETTINGS_DIR "/keyfile.moss"
#define SETTINGS_MAX (1 << 20)
#define VALUE_MAX 200

typedef enum
{
  KIND_STRING,
  KIND_NUMBER,
  KIND_BOOLEAN,
} Kind;

static const struct
{
  const char *key; /* of the desktop */
  const char *group;
  const char *setting;
  Kind kind;
} known[] = {
  { "color-scheme", "org/gnome/desktop/interface", "color-scheme", KIND_STRING },
  { "gtk-theme", "org/gnome/desktop/interface", "gtk-theme", KIND_STRING },
  { "icon-theme", "org/gnome/desktop/interface", "icon-theme", KIND_STRING },
  { "cursor-theme", "org/gnome/desktop/interface", "cursor-theme", KIND_STRING },
  { "cursor-size", "org/gnome/desktop/interface", "cursor-size", KIND_NUMBER },
  { "font-name", "org/gnome/desktop/interface", "font-name", KIND_STRING },
  { "document-font-name", "org/gnome/desktop/interface", "document-font-name", KIND_STRING },
  { "monospace-font-name", "org/gnome/desktop/interface", "monospace-font-name", KIND_STRING },
  { "text-scale", "org/gnome/desktop/interface", "text-scaling-factor", KIND_NUMBER },
  { "enable-animations", "org/gnome/desktop/interface", "enable-animations", KIND_BOOLEAN },
};

/* The value as GVariant text; false when it is none of its kind. */
static bool
quote (Kind kind, const char *value, char *out, size_t size)
{
  size_t length = strlen (value);

  if (length == 0 || length > VALUE_MAX)
    return false;
  if (kind == KIND_NUMBER && strspn (value, "0123456789.") != length)
    return false;
  if (kind == KIND_BOOLEAN && strcmp (value, "true") != 0 && strcmp (value, "false") != 0)
    return false;
  for (size_t i = 0; i < length; i++)
    if ((unsigned char) value[i] < 0x20 || value[i] == '\'' || value[i] == '\\')
      return false;
  snprintf (out, size, kind == KIND_STRING ? "'%s'" : "%s", value);
  return true;
}

static bool
is_group (const char *line, size_t length, const char *group)
{
  return length == strlen (group) + 2 && line[0] == '[' && line[length - 1] == ']'
         && memcmp (line + 1, group, length - 2) == 0;
}

static bool
is_key (const char *line, size_t length, const char *key)
{
  size_t n = strlen (key);

  return length > n && line[n] == '=' && memcmp (line, key, n) == 0;
}

typedef struct
{
  char *text;
  size_t size, used;
} Out;

static void
put (Out *out, const char *format, ...)
{
  va_list args;
  int n;

  va_start (args, format);
  n = vsnprintf (out->text + out->used, out->size - out->used, format, args);
  va_end (args);
  if (n > 0 && (size_t) n < out->size - out->used)
    out->used += n;
}

char *
init_settings_edit (const char *text, const char *group, const char *key, const char *value)
{
  Out out = { NULL, strlen (text) + strlen (group) + strlen (key) + strlen (value) + 16, 0 };
  bool inside = false, written = false;

  out.text = calloc (1, out.size);
  while (out.text != NULL && *text != '\0')
    {
      size_t length = strcspn (text, "\n");

      if (text[0] == '[')
        inside = is_group (text, length, group);
      if (!(inside && is_key (text, length, key)))
        put (&out, "%.*s\n", (int) length, text);
      if (inside && !written && text[0] == '[')
        {
          put (&out, "%s=%s\n", key, value);
          written = true;
        }
      text += length + (text[length] == '\n');
    }
  if (out.text != NULL && !written)
    put (&out, "[%s]\n%s=%s\n", group, key, value);
  return out.text;
}

static char *
read_settings (void)
{
  char *text = calloc (1, SETTINGS_MAX + 1);
  int fd = open (SETTINGS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (text != NULL && fd >= 0 && read (fd, text, SETTINGS_MAX) < 0)
    text[0] = '\0';
  if (fd >= 0)
    close (fd);
  return text;
}

static bool
write_settings (const char *text)
{
  size_t size = strlen (text);
  int fd;
  bool ok;

  unlink (SETTINGS_NEW);
  fd = open (SETTINGS_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return false;
  ok = write (fd, text, size) == (ssize_t) size;
  close (fd);
  return ok && rename (SETTINGS_NEW, SETTINGS_FILE) == 0;
}

bool
init_settings_apply (const char *key, const char *value)
{
  char quoted[VALUE_MAX + 8];
  bool ok = false;

  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    {
      char *old, *new = NULL;

      if (strcmp (known[i].key, key) != 0)
        continue;
      if (!quote (known[i].kind, value, quoted, sizeof quoted))
        return false;
      init_setup_files_as_app ();
      old = read_settings ();
      if (old != NULL)
        new = init_settings_edit (old, known[i].group, known[i].setting, quoted);
      ok = new != NULL && write_settings (new);
      init_setup_files_as_root ();
      free (old);
      free (new);
    }
  return ok;
}
