// SPDX-License-Identifier: GPL-3.0-or-later
/* The heads of binary PPM and PAM files (netpbm's ppm(5) and pam(5)), with a byte a sample and
 * three or four samples a pixel. */
#include "ffi-broker/bridges/exec/pnm.h"

#include "ffi-broker/client/moss-ffi.h"

#include <string.h>

static gboolean
malformed (GError **error)
{
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_WRONG_TYPE,
               "what was put out is no PPM or PAM picture in RGB or RGBA");
  return FALSE;
}

static gboolean
parse_number (const char **at, guint *number)
{
  guint64 value = 0;
  const char *start = *at;

  for (; g_ascii_isdigit (**at) && value <= G_MAXUINT32; (*at)++)
    value = value * 10 + (**at - '0');
  *number = value;
  return *at > start && value <= G_MAXUINT32;
}

static void
skip_space (const char **at)
{
  for (;;)
    {
      while (g_ascii_isspace (**at))
        (*at)++;
      if (**at != '#')
        return;
      *at += strcspn (*at, "\n");
    }
}

/* "P6 WIDTH HEIGHT 255" and one white space. */
static gboolean
parse_ppm (const char *head, Pnm *pnm)
{
  const char *at = head + 2;
  guint most;

  skip_space (&at);
  if (!parse_number (&at, &pnm->width))
    return FALSE;
  skip_space (&at);
  if (!parse_number (&at, &pnm->height))
    return FALSE;
  skip_space (&at);
  if (!parse_number (&at, &most) || most != 255 || !g_ascii_isspace (*at))
    return FALSE;
  pnm->channels = 3;
  pnm->start = at + 1 - head;
  return TRUE;
}

/* Lines of a word and a value, until ENDHDR. */
static gboolean
parse_pam (const char *head, Pnm *pnm)
{
  const char *end = strstr (head, "\nENDHDR\n");
  guint most = 0;

  for (const char *line = head; end != NULL && line < end; line = strchr (line, '\n') + 1)
    {
      const char *at = line + strcspn (line, " \n");

      while (*at == ' ')
        at++;
      if (g_str_has_prefix (line, "WIDTH "))
        parse_number (&at, &pnm->width);
      else if (g_str_has_prefix (line, "HEIGHT "))
        parse_number (&at, &pnm->height);
      else if (g_str_has_prefix (line, "DEPTH "))
        parse_number (&at, &pnm->channels);
      else if (g_str_has_prefix (line, "MAXVAL "))
        parse_number (&at, &most);
    }
  pnm->start = end != NULL ? end + strlen ("\nENDHDR\n") - head : 0;
  return end != NULL && most == 255 && (pnm->channels == 3 || pnm->channels == 4);
}

/**
 * pnm_parse:
 * @head: the file's first bytes, with a zero byte after them
 */
gboolean
pnm_parse (const char *head, gsize length, Pnm *pnm, GError **error)
{
  gboolean ok = FALSE;

  *pnm = (Pnm){ 0 };
  if (length > 2 && memcmp (head, "P6", 2) == 0)
    ok = parse_ppm (head, pnm);
  else if (length > 3 && memcmp (head, "P7\n", 3) == 0)
    ok = parse_pam (head, pnm);
  return (ok && pnm->start <= length) || malformed (error);
}
