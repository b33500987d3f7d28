// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire.h"

#include <stdlib.h>
#include <string.h>

/* Bodies of messages: reading words and strings without trusting them. */

static bool
left (MossWireMessage *message, size_t n)
{
  if (message->bad || message->size - message->at < n)
    message->bad = true;
  return !message->bad;
}

uint32_t
moss_wire_get_u32 (MossWireMessage *message)
{
  const uint8_t *b;

  if (!left (message, 4))
    return 0;
  b = message->body + message->at;
  message->at += 4;
  return (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16
         | (uint32_t) b[3] << 24;
}

int32_t
moss_wire_get_i32 (MossWireMessage *message)
{
  return (int32_t) moss_wire_get_u32 (message);
}

/* RFC 3629: shortest forms only, no surrogates; here also no NUL. */
static size_t
utf8_sequence (const uint8_t *s, size_t left_bytes)
{
  static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
  size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
  uint32_t c;

  if (n == 1)
    return s[0] ? 1 : 0;
  if (n == 0 || n > left_bytes || s[0] > 0xf4)
    return 0;
  c = s[0] & (0xff >> (n + 1));
  for (size_t i = 1; i < n; i++)
    {
      if ((s[i] & 0xc0) != 0x80)
        return 0;
      c = c << 6 | (s[i] & 0x3f);
    }
  if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
    return 0;
  return n;
}

bool
moss_wire_utf8 (const char *text, size_t length)
{
  const uint8_t *s = (const uint8_t *) text;

  for (size_t i = 0, n; i < length; i += n)
    {
      n = utf8_sequence (s + i, length - i);
      if (n == 0)
        return false;
    }
  return true;
}

const char *
moss_wire_get_string (MossWireMessage *message, size_t *length)
{
  uint32_t n = moss_wire_get_u32 (message);
  const char *text;

  *length = 0;
  if (n > MOSS_WIRE_MAX_STRING || !left (message, n))
    {
      message->bad = true;
      return NULL;
    }
  text = (const char *) message->body + message->at;
  if (!moss_wire_utf8 (text, n))
    {
      message->bad = true;
      return NULL;
    }
  message->at += n;
  *length = n;
  return text;
}

char *
moss_wire_dup_string (MossWireMessage *message)
{
  size_t length;
  const char *text = moss_wire_get_string (message, &length);
  char *copy = text ? malloc (length + 1) : NULL;

  if (!copy)
    {
      message->bad = true;
      return NULL;
    }
  memcpy (copy, text, length);
  copy[length] = 0;
  return copy;
}

void
moss_wire_free_strings (char **strings)
{
  for (char **s = strings; s && *s; s++)
    free (*s);
  free (strings);
}

char **
moss_wire_dup_strings (MossWireMessage *message, bool *none)
{
  uint32_t n = moss_wire_get_u32 (message);
  char **strings;

  *none = !message->bad && n == MOSS_WIRE_NONE;
  if (*none || message->bad)
    return NULL;
  if (n > MOSS_WIRE_MAX_MIMES || !(strings = calloc (n + 1, sizeof *strings)))
    {
      message->bad = true;
      return NULL;
    }
  for (uint32_t i = 0; i < n; i++)
    if (!(strings[i] = moss_wire_dup_string (message)))
      {
        moss_wire_free_strings (strings);
        return NULL;
      }
  return strings;
}

int
moss_wire_take_fd (MossWireMessage *message)
{
  for (unsigned i = 0; i < message->n_fds && i < MOSS_WIRE_MAX_FDS; i++)
    if (message->fds[i] >= 0)
      {
        int fd = message->fds[i];

        message->fds[i] = -1;
        return fd;
      }
  message->bad = true;
  return -1;
}

bool
moss_wire_finished (const MossWireMessage *message)
{
  return !message->bad && message->at == message->size;
}
