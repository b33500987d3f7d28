// SPDX-License-Identifier: GPL-3.0-or-later
/* The journal: what netd would replay when it starts. docs/formats/tree.md.
 *
 * It may end in a frame that isn't whole: a power cut leaves that, and nobody was promised what
 * stands in it. A frame that opens behind one that doesn't is another thing: then something in
 * the middle was damaged, and what follows it is lost to netd. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <fcntl.h>
#include <unistd.h>

enum
{
  JOURNAL_HEAD = 64,
  FRAME_HEAD = 36,
  FRAME_MAX = 16 * 1024 * 1024,
  PLACE_BYTES = 32 + 8 + 12 + 16,
  XATTR_MAX = 65536,
};

typedef enum
{
  MAKE = 1,
  LINK,
  UNLINK,
  RENAME,
  ATTR,
  TRUNCATE,
  PUNCH,
  WRITE,
  EXTENT,
  XATTR,
  CLOSE,
  PIN,
  CONFLICT,
  RELEASE
} Kind;

typedef struct
{
  Check *check;
  char *path;
  int fd;
  guint64 epoch;
  guint8 key[32];
  guint64 at;
  guint32 frames;
  guint8 chain[16]; /* tag of the frame before */
  guint32 skip;
} Journal;

/* --- records --- */

static gboolean
legal_name (In *in)
{
  guint length = in_number (in, 1);
  const guint8 *name = in_bytes (in, length);

  return name != NULL && name_is_legal (name, length);
}

static gboolean
is_number (In *in, guint bytes)
{
  in_bytes (in, bytes);
  return in_end (in);
}

static gboolean
record_is_good (Check *check, Kind kind, In *in, const char *whose)
{
  const char *reason;
  guint64 offset;

  switch (kind)
    {
    case MAKE:
      return legal_name (in) && in_number (in, 8) > 1 &&
             inode_is_good (in->at, in->end - in->at, &reason);
    case LINK:
      return legal_name (in) && is_number (in, 16);
    case UNLINK:
      return legal_name (in) && is_number (in, 8);
    case RENAME:
      return legal_name (in) && in_bytes (in, 8) != NULL && legal_name (in) &&
             is_number (in, 9);
    case ATTR:
      return is_number (in, 36);
    case TRUNCATE:
      return is_number (in, 16);
    case PUNCH:
      return is_number (in, 24);
    case WRITE:
      return in_bytes (in, 16) != NULL;
    case EXTENT:
      offset = in_number (in, 8);
      in_bytes (in, 8);
      return !in->bad && in->end - in->at == 72 && extent_check (check, offset, in->at, whose);
    case XATTR:
      return in_bytes (in, in_number (in, 1)) != NULL && in_bytes (in, 9) != NULL &&
             in->end - in->at <= XATTR_MAX;
    case CLOSE:
    case PIN:
    case CONFLICT:
    case RELEASE:
      return is_number (in, 8);
    default:
      return FALSE;
    }
}

/* What a record refers to was synced before it: it is here, whoever else has it. */
static void
check_record (Journal *journal, const guint8 *bytes, gsize length, guint number)
{
  Check *check = journal->check;
  gboolean complete = check->complete;
  In in = in_new (bytes, length);
  guint kind = in_number (&in, 1);
  guint64 ino = in_number (&in, 8);
  g_autofree char *whose =
      g_strdup_printf ("%s, frame %u, record %u, inode %" G_GINT64_MODIFIER "x",
                       journal->path, journal->frames, number, ino);

  check->records++;
  check->complete = TRUE;
  if (in.bad || !record_is_good (check, kind, &in, whose))
    finding (check, whose, "the record makes no sense",
             "netd won't open the tree: put the journal aside; what wasn't committed is lost");
  check->complete = complete;
}

static void
check_records (Journal *journal, const guint8 *plain, gsize length)
{
  In in = in_new (plain, length);

  for (guint number = 0; in.at < in.end; number++)
    {
      guint32 size = in_number (&in, 4);
      const guint8 *record = in_bytes (&in, size);

      if (record == NULL)
        {
          finding (journal->check, journal->path, "a record runs over its frame",
                   "netd won't open the tree: put the journal aside");
          return;
        }
      if (journal->skip > 0)
        journal->skip--;
      else
        check_record (journal, record, size, number);
    }
}

/* --- frames --- */

typedef struct
{
  guint8 head[FRAME_HEAD];
  guint32 length, number, needs;
  guint8 *sealed; /* owned */
  guint8 *plain;  /* owned */
} Frame;

static void
frame_clear (Frame *frame)
{
  g_clear_pointer (&frame->sealed, g_free);
  g_clear_pointer (&frame->plain, g_free);
}

/* Whether bytes of a frame's form stand there; @opens: and its seal is whole. */
static gboolean
read_frame (Journal *journal,
            guint64 at,
            guint32 number,
            const guint8 *chain,
            Frame *frame,
            gboolean *opens)
{
  guint64 epoch = GUINT64_TO_LE (journal->epoch);
  guint8 place[PLACE_BYTES];
  In in = in_new (frame->head, FRAME_HEAD);

  *opens = FALSE;
  if (!read_at (journal->fd, frame->head, FRAME_HEAD, at))
    return FALSE;
  frame->length = in_number (&in, 4);
  frame->number = in_number (&in, 4);
  frame->needs = in_number (&in, 4);
  if (frame->length <= MOSS_TAG_BYTES || frame->length > FRAME_MAX || frame->number != number)
    return FALSE;
  frame->sealed = g_malloc (frame->length);
  frame->plain = g_malloc (frame->length);
  if (!read_at (journal->fd, frame->sealed, frame->length, at + FRAME_HEAD))
    return FALSE;
  memcpy (place, journal->check->tree_id, 32);
  memcpy (place + 32, &epoch, 8);
  memcpy (place + 40, frame->head, 12);
  memcpy (place + 52, chain, 16);
  *opens = moss_suite_open (journal->check->suite, journal->key, frame->head + 12, place,
                            PLACE_BYTES, frame->sealed, frame->length, frame->plain, NULL);
  return TRUE;
}

/* Whether what stands behind a broken frame of this form opens. */
static gboolean
next_opens (Journal *journal, const Frame *broken)
{
  const guint8 *tag = broken->sealed + broken->length - MOSS_TAG_BYTES;
  Frame next = { { 0 } };
  gboolean opens;

  read_frame (journal, journal->at + FRAME_HEAD + broken->length, journal->frames + 1, tag,
              &next, &opens);
  frame_clear (&next);
  return opens;
}

static void
check_frames (Journal *journal, guint32 before)
{
  for (;;)
    {
      Frame frame = { { 0 } };
      gboolean opens;
      gboolean formed = read_frame (journal, journal->at, journal->frames, journal->chain,
                                    &frame, &opens);

      if (formed && !opens && next_opens (journal, &frame))
        {
          g_autofree char *object =
              g_strdup_printf ("%s, frame %u", journal->path, journal->frames);

          finding (journal->check, object, "it is damaged, and whole ones follow",
                   "netd goes on before it; after a power cut that is right, else what was "
                   "changed since the last commit is lost");
        }
      if (!opens || frame.needs > before)
        {
          frame_clear (&frame);
          return;
        }
      check_records (journal, frame.plain, frame.length - MOSS_TAG_BYTES);
      journal->at += FRAME_HEAD + frame.length;
      journal->frames++;
      memcpy (journal->chain, frame.sealed + frame.length - MOSS_TAG_BYTES, MOSS_TAG_BYTES);
      frame_clear (&frame);
    }
}

/* FALSE: this file holds nothing of the epoch. */
static gboolean
open_epoch (Check *check, guint64 epoch, Journal *journal)
{
  guint8 head[JOURNAL_HEAD];
  In in = in_new (head + 8, 8);
  guint64 found;

  journal->check = check;
  journal->epoch = epoch;
  journal->at = JOURNAL_HEAD;
  journal->path = g_strdup_printf ("%s/journal-%u", check->tree_dir, (guint) (epoch % 2));
  journal->fd = open (journal->path, O_RDONLY | O_CLOEXEC);
  if (journal->fd < 0 || !read_at (journal->fd, head, sizeof head, 0) ||
      is_zero (head, sizeof head))
    return FALSE;
  found = in_number (&in, 8);
  if (memcmp (head, "MTJ1", 4) != 0 || head[4] != check->suite || !is_zero (head + 5, 3) ||
      found > epoch + 2)
    {
      finding (check, journal->path, "its head is damaged",
               "what was changed since the last commit is lost");
      return FALSE;
    }
  return found == epoch &&
         moss_suite_keyed_hash (check->suite, check->local_key, head, sizeof head, journal->key,
                                NULL);
}

static void
journal_clear (Journal *journal)
{
  if (journal->fd >= 0)
    close (journal->fd);
  moss_crypto_wipe (journal->key, sizeof journal->key);
  g_free (journal->path);
}

void
journal_check (Check *check)
{
  guint32 before = G_MAXUINT32;
  gboolean there = TRUE;

  for (guint64 epoch = check->epoch; there && epoch < check->epoch + 2; epoch++)
    {
      Journal journal = { .skip = epoch == check->epoch ? check->skip : 0 };

      there = open_epoch (check, epoch, &journal);
      if (there)
        check_frames (&journal, before);
      before = journal.frames;
      journal_clear (&journal);
    }
}
