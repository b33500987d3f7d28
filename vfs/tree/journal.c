// SPDX-License-Identifier: GPL-3.0-or-later
/* The journal: what was done since the last commit, in order, encrypted.
 *
 * Promises:
 * - moss_journal_sync() returns when every record up to a position is on the disk. Who comes
 *   while another writes waits and shares the next fdatasync.
 * - Replay gives the records that were appended, in order, from the first of an epoch on, and
 *   ends before the first that isn't whole: a torn tail, a stale one, or one of another place is
 *   told by the seal. Nothing comes after a gap.
 *
 * An epoch is what lies between two commits. Two files take turns; their room is written once
 * with zeros and then written over, so that an fdatasync has no metadata to wait for. A frame is
 * the records of one write, sealed with its place (epoch, number, how much of the epoch before
 * it needs) as associated data and a fresh salt of the epoch in the key: an old frame that still
 * lies in the file is no frame of this epoch. docs/formats/tree.md has the bytes. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/journal.h"

#include "core/fault.h"
#include "core/whole.h"
#include "vfs/tree/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum
{
  HEAD = 64,             /* magic, suite, epoch, salt */
  FRAME_HEAD = 4 + 4 + 4 + MOSS_NONCE_MAX, /* length, number, needs, nonce */
  FRAME_MAX = 16 * 1024 * 1024,
  NONCES = 64, /* that are drawn at once */
  KEEP = 256 * 1024, /* a buffer that was longer isn't kept */
  ROOM = 2 * 1024 * 1024,
  PAGE = 4096,
};

static const char magic[4] = { 'M', 'T', 'J', '1' };

typedef struct
{
  int fd;
  char *path;
  guint64 epoch;    /* 0: nothing in it */
  guint64 prepared; /* 0, or the epoch whose head stands in it */
  guint32 appended; /* records, under buffer_lock */
  int failed;       /* errno of an fdatasync: what was written may be lost */
  guint8 key[MOSS_KEY_BYTES];
  guint64 end;      /* where the next frame goes */
  guint64 room;     /* of the file */
  guint32 frames;   /* written */
  guint8 chain[MOSS_TAG_BYTES]; /* tag of the last one */
  guint32 needs;    /* frames of the epoch before that a new frame follows */
  GByteArray *open; /* records not yet written; under buffer_lock */
  gboolean unsynced;
} Side;

struct _MossJournal
{
  guint8 tree_id[MOSS_TREE_ID_BYTES];
  guint suite;
  guint8 key[MOSS_KEY_BYTES];
  char *dir;

  GMutex buffer_lock; /* what is appended and not written */
  guint64 position;   /* bytes that were ever appended */
  guint current;      /* side that is appended to */
  GByteArray *spare[2]; /* empty: for the next that is appended to */

  GMutex write_lock; /* files, synced */
  GCond written;
  gboolean writing;
  guint64 written_to; /* position up to which all is in the file */
  guint64 synced;     /* position up to which all is on the disk */
  GByteArray *frame;  /* of who writes: what is written */
  guint8 nonces[NONCES][MOSS_NONCE_MAX];
  guint nonces_left;
  Side sides[2];
};

static gboolean
fail (const char *path, const char *what, int number, GError **error)
{
  g_set_error (error, MOSS_TREE_ERROR,
               number == ENOSPC || number == EDQUOT ? MOSS_TREE_ERROR_NO_SPACE
                                                    : MOSS_TREE_ERROR_FAILED,
               "the journal %s can't be %s: %s", path, what, g_strerror (number));
  return FALSE;
}

/* pwrite, with a place where tests make the disk full. */
static gboolean
write_all (int fd, const guint8 *data, gsize length, guint64 offset)
{
  if (moss_fault ("journal-write"))
    {
      errno = ENOSPC;
      return FALSE;
    }
  return moss_pwrite_all (fd, data, length, offset);
}

static void
derive_key (MossJournal *journal, const guint8 *head, guint8 *key)
{
  moss_suite_keyed_hash (journal->suite, journal->key, head, HEAD, key, NULL);
}

/* What a frame is sealed with beside its bytes: where it stands. */
static void
place_of (MossJournal *journal,
          const Side *side,
          guint64 epoch,
          const guint8 *frame,
          guint8 *place)
{
  guint64 little = GUINT64_TO_LE (epoch);

  memcpy (place, journal->tree_id, MOSS_TREE_ID_BYTES);
  memcpy (place + MOSS_TREE_ID_BYTES, &little, 8);
  memcpy (place + MOSS_TREE_ID_BYTES + 8, frame, 12);
  memcpy (place + MOSS_TREE_ID_BYTES + 20, side->chain, MOSS_TAG_BYTES);
}

enum
{
  PLACE = MOSS_TREE_ID_BYTES + 8 + 12 + MOSS_TAG_BYTES
};

MossJournal *
moss_journal_open (const char *dir,
                   const guint8 *tree_id,
                   guint suite,
                   const guint8 *key,
                   GError **error)
{
  g_autoptr (MossJournal) journal = g_new0 (MossJournal, 1);

  g_mutex_init (&journal->buffer_lock);
  g_mutex_init (&journal->write_lock);
  g_cond_init (&journal->written);
  journal->suite = suite;
  journal->dir = g_strdup (dir);
  memcpy (journal->tree_id, tree_id, MOSS_TREE_ID_BYTES);
  memcpy (journal->key, key, MOSS_KEY_BYTES);
  for (guint i = 0; i < 2; i++)
    {
      journal->sides[i].fd = -1;
      journal->sides[i].open = g_byte_array_new ();
      journal->spare[i] = g_byte_array_new ();
    }
  journal->frame = g_byte_array_new ();
  for (guint i = 0; i < 2; i++)
    {
      Side *side = &journal->sides[i];

      side->path = g_strdup_printf ("%s/journal-%u", dir, i);
      side->fd = open (side->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (side->fd < 0)
        {
          fail (side->path, "opened", errno, error);
          return NULL;
        }
      side->room = lseek (side->fd, 0, SEEK_END);
    }
  return g_steal_pointer (&journal);
}

void
moss_journal_free (MossJournal *journal)
{
  for (guint i = 0; i < 2; i++)
    {
      Side *side = &journal->sides[i];

      if (side->fd >= 0)
        close (side->fd);
      g_free (side->path);
      g_byte_array_unref (side->open);
      g_byte_array_unref (journal->spare[i]);
      moss_crypto_wipe (side->key, sizeof side->key);
    }
  moss_crypto_wipe (journal->key, sizeof journal->key);
  g_mutex_clear (&journal->buffer_lock);
  g_mutex_clear (&journal->write_lock);
  g_cond_clear (&journal->written);
  g_byte_array_unref (journal->frame);
  g_free (journal->dir);
  g_free (journal);
}

/* --- files --- */

/* The whole file is written, so that later writes change data only. Page by page: Linux caches what
 * comes in one piece as one piece, and each small write into it then costs as much as all of it. */
static gboolean
grow (Side *side, guint64 room)
{
  g_autofree guint8 *zeros = NULL;

  if (room <= side->room)
    return TRUE;
  room = (room + ROOM - 1) / ROOM * ROOM;
  zeros = g_malloc0 (PAGE);
  if (!write_all (side->fd, zeros, PAGE, side->room))
    return FALSE;
  while ((side->room += PAGE) < room)
    if (!moss_pwrite_all (side->fd, zeros, PAGE, side->room))
      return FALSE;
  return TRUE;
}

static gboolean
begin_side (MossJournal *journal, Side *side, guint64 epoch)
{
  g_autoptr (GByteArray) head = g_byte_array_new ();
  guint8 salt[HEAD - 16];

  moss_put_bytes (head, magic, 4);
  moss_put_number (head, journal->suite, 4);
  moss_put_number (head, epoch, 8);
  moss_crypto_random (salt, sizeof salt);
  moss_put_bytes (head, salt, sizeof salt);
  if (!grow (side, HEAD + 1) || !write_all (side->fd, head->data, head->len, 0))
    return FALSE;
  derive_key (journal, head->data, side->key);
  side->prepared = epoch;
  side->end = HEAD;
  side->frames = 0;
  side->needs = 0;
  side->failed = 0;
  memset (side->chain, 0, sizeof side->chain);
  side->unsynced = TRUE;
  return TRUE;
}

static gboolean
start (MossJournal *journal, guint64 epoch, GError **error)
{
  Side *side = &journal->sides[epoch % 2];

  journal->current = epoch % 2;
  if (!begin_side (journal, side, epoch) || fdatasync (side->fd) < 0)
    return fail (side->path, "begun", errno, error);
  side->epoch = epoch;
  side->prepared = 0;
  side->unsynced = FALSE;
  return TRUE;
}

/* --- replay --- */

/* Epoch and key of a side; FALSE: nothing of ours is in it. */
static gboolean
read_head (MossJournal *journal, Side *side)
{
  guint8 head[HEAD];
  MossReader reader = moss_reader (head, sizeof head);

  side->epoch = 0;
  if (!moss_pread_all (side->fd, head, sizeof head, 0) || memcmp (head, magic, 4) != 0 ||
      head[4] != journal->suite)
    return FALSE;
  moss_read_bytes (&reader, 8);
  side->epoch = moss_read_number (&reader, 8);
  side->end = HEAD;
  side->frames = side->appended = 0;
  memset (side->chain, 0, sizeof side->chain);
  derive_key (journal, head, side->key);
  return side->epoch != 0;
}

/* The next frame's records, or NULL: there is no whole one, or it follows more than @before
 * frames of the epoch before. */
static GBytes *
read_frame (MossJournal *journal, Side *side, guint32 before)
{
  guint8 head[FRAME_HEAD];
  guint8 place[PLACE];
  MossReader reader = moss_reader (head, sizeof head);
  g_autofree guint8 *sealed = NULL;
  g_autofree guint8 *plain = NULL;
  guint32 length, number, needs;

  if (!moss_pread_all (side->fd, head, sizeof head, side->end))
    return NULL;
  length = moss_read_number (&reader, 4);
  number = moss_read_number (&reader, 4);
  needs = moss_read_number (&reader, 4);
  if (length <= MOSS_TAG_BYTES || length > FRAME_MAX || number != side->frames ||
      needs > before)
    return NULL;
  sealed = g_malloc (length);
  plain = g_malloc (length - MOSS_TAG_BYTES);
  place_of (journal, side, side->epoch, head, place);
  if (!moss_pread_all (side->fd, sealed, length, side->end + FRAME_HEAD) ||
      !moss_suite_open (journal->suite, side->key, head + 12, place, PLACE, sealed, length,
                        plain, NULL))
    return NULL;
  side->end += FRAME_HEAD + length;
  side->frames++;
  memcpy (side->chain, sealed + length - MOSS_TAG_BYTES, MOSS_TAG_BYTES);
  return g_bytes_new_take (g_steal_pointer (&plain), length - MOSS_TAG_BYTES);
}

static gboolean
give_records (Side *side,
              GBytes *frame,
              guint32 *skip,
              MossJournalEach each,
              gpointer user_data,
              GError **error)
{
  gsize length;
  const guint8 *bytes = g_bytes_get_data (frame, &length);
  MossReader reader = moss_reader (bytes, length);

  while (reader.at < reader.end)
    {
      guint32 size = moss_read_number (&reader, 4);
      const guint8 *record = moss_read_bytes (&reader, size);

      if (record == NULL)
        {
          g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                       "a record of the journal runs over its frame");
          return FALSE;
        }
      side->appended++;
      if (*skip > 0)
        (*skip)--;
      else if (!each (record, size, user_data, error))
        return FALSE;
    }
  return TRUE;
}

/**
 * moss_journal_replay:
 * @from_epoch: the first that the committed table doesn't hold all of
 * @skip: how many of its records the table does hold
 *
 * Once, before anything else. The journal goes on behind the last whole record.
 */
gboolean
moss_journal_replay (MossJournal *journal,
                     guint64 from_epoch,
                     guint32 skip,
                     MossJournalEach each,
                     gpointer user_data,
                     GError **error)
{
  guint32 before = G_MAXUINT32; /* whole frames of the epoch before */
  guint64 end = from_epoch;

  for (guint i = 0; i < 2; i++)
    read_head (journal, &journal->sides[i]);
  for (guint64 epoch = from_epoch; epoch < from_epoch + 2; epoch++)
    {
      Side *side = &journal->sides[epoch % 2];

      if (side->epoch != epoch)
        break;
      journal->current = epoch % 2;
      for (;;)
        {
          g_autoptr (GBytes) frame = read_frame (journal, side, before);

          if (frame == NULL)
            break;
          if (!give_records (side, frame, &skip, each, user_data, error))
            return FALSE;
        }
      before = side->frames;
      skip = 0;
      end = epoch + 1;
    }
  for (guint i = 0; i < 2; i++)
    if (journal->sides[i].epoch < from_epoch || journal->sides[i].epoch >= end)
      journal->sides[i].epoch = 0;
  if (journal->sides[journal->current].epoch != 0)
    return TRUE;
  return start (journal, from_epoch, error);
}

/* --- writing --- */

void
moss_journal_append (MossJournal *journal, const guint8 *record, gsize length)
{
  g_mutex_lock (&journal->buffer_lock);
  moss_put_number (journal->sides[journal->current].open, length, 4);
  moss_put_bytes (journal->sides[journal->current].open, record, length);
  journal->sides[journal->current].appended++;
  journal->position += 4 + length;
  g_mutex_unlock (&journal->buffer_lock);
}

guint64
moss_journal_position (MossJournal *journal)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&journal->buffer_lock);

  return journal->position;
}

/* Bytes in files and memory that a commit would let go of. */
guint64
moss_journal_bytes (MossJournal *journal)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&journal->buffer_lock);

  return journal->sides[0].open->len + journal->sides[1].open->len +
         journal->sides[0].end + journal->sides[1].end;
}

/**
 * moss_journal_prepare:
 *
 * Makes the other file ready for the next epoch, so that moss_journal_mark() needs no disk.
 * Blocks. A failure doesn't matter: the epoch goes on then.
 */
void
moss_journal_prepare (MossJournal *journal)
{
  Side *next;

  g_mutex_lock (&journal->write_lock);
  while (journal->writing)
    g_cond_wait (&journal->written, &journal->write_lock);
  next = &journal->sides[!journal->current];
  if (next->epoch == 0 && next->prepared == 0)
    begin_side (journal, next, journal->sides[journal->current].epoch + 1);
  g_mutex_unlock (&journal->write_lock);
}

/**
 * moss_journal_mark:
 * @epoch: (out):
 * @skip: (out): with @epoch, for moss_journal_replay(): what comes after all that was appended
 *
 * Begins the next epoch if it is prepared.
 */
void
moss_journal_mark (MossJournal *journal, guint64 *epoch, guint32 *skip)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&journal->buffer_lock);
  Side *next = &journal->sides[!journal->current];

  if (next->prepared != 0)
    {
      next->epoch = next->prepared;
      next->prepared = 0;
      next->appended = 0;
      journal->current = !journal->current;
    }
  *epoch = journal->sides[journal->current].epoch;
  *skip = journal->sides[journal->current].appended;
}

/**
 * moss_journal_drop:
 * @before: all of the epochs before this one is committed, and the commit on the disk
 */
void
moss_journal_drop (MossJournal *journal, guint64 before)
{
  Side *side;

  g_mutex_lock (&journal->write_lock);
  while (journal->writing)
    g_cond_wait (&journal->written, &journal->write_lock);
  g_mutex_lock (&journal->buffer_lock);
  side = &journal->sides[!journal->current];
  if (side->epoch != 0 && side->epoch < before)
    {
      g_byte_array_set_size (side->open, 0);
      side->epoch = 0;
      side->end = 0;
      side->unsynced = FALSE;
      side->failed = 0;
      journal->sides[journal->current].needs = 0;
    }
  g_mutex_unlock (&journal->buffer_lock);
  g_mutex_unlock (&journal->write_lock);
}

/* A buffer, empty, for the next time. @held: as much as it ever held */
static void
empty (GByteArray **buffer, guint held)
{
  if (held > KEEP)
    {
      g_byte_array_unref (*buffer);
      *buffer = g_byte_array_new ();
    }
  g_byte_array_set_size (*buffer, 0);
}

static const guint8 *
next_nonce (MossJournal *journal)
{
  if (journal->nonces_left == 0)
    {
      moss_crypto_random (journal->nonces[0], sizeof journal->nonces);
      journal->nonces_left = NONCES;
    }
  return journal->nonces[--journal->nonces_left];
}

static gboolean
write_frame (MossJournal *journal,
             Side *side,
             const guint8 *records,
             guint32 records_length,
             guint32 needs)
{
  GByteArray *frame = journal->frame;
  const guint8 *nonce = next_nonce (journal);
  guint8 place[PLACE];
  guint32 length = records_length + MOSS_TAG_BYTES;

  g_byte_array_set_size (frame, 0);
  moss_put_number (frame, length, 4);
  moss_put_number (frame, side->frames, 4);
  moss_put_number (frame, needs, 4);
  moss_put_bytes (frame, nonce, MOSS_NONCE_MAX);
  g_byte_array_set_size (frame, FRAME_HEAD + length);
  place_of (journal, side, side->epoch, frame->data, place);
  if (!moss_suite_seal (journal->suite, side->key, nonce, place, PLACE, records,
                        records_length, frame->data + FRAME_HEAD, NULL))
    {
      errno = EIO;
      return FALSE;
    }
  if (!grow (side, side->end + frame->len) ||
      !write_all (side->fd, frame->data, frame->len, side->end))
    return FALSE;
  memcpy (side->chain, frame->data + frame->len - MOSS_TAG_BYTES, MOSS_TAG_BYTES);
  side->end += frame->len;
  side->frames++;
  side->unsynced = TRUE;
  return TRUE;
}

/* How many of @records, all whole, fit into a frame. */
static guint32
length_of_some (const GByteArray *records)
{
  MossReader reader = moss_reader (records->data, records->len);
  guint32 length = 0;

  if (records->len <= FRAME_MAX / 2)
    return records->len;
  while (reader.at < reader.end)
    {
      guint32 size = moss_read_number (&reader, 4);

      if (length > 0 && length + 4 + size > FRAME_MAX / 2)
        break;
      moss_read_bytes (&reader, size);
      length += 4 + size;
    }
  return length;
}

/* Frames are bounded, so a long buffer becomes several; records stay whole. What was written is
 * taken out of @records, also when the rest fails. */
static gboolean
write_records (MossJournal *journal, Side *side, GByteArray *records, guint32 needs)
{
  gboolean ok = TRUE;

  while (ok && records->len > 0)
    {
      guint32 length = length_of_some (records);

      ok = write_frame (journal, side, records->data, length, needs);
      if (ok)
        g_byte_array_remove_range (records, 0, length);
    }
  empty (&journal->frame, journal->frame->len);
  return ok;
}

/* What is appended and not written, of both sides. */
typedef struct
{
  GByteArray *records[2];
  guint held[2]; /* bytes in them */
  guint current; /* side, when they were taken */
  guint64 position;
} Taken;

static void
take_open (MossJournal *journal, Taken *taken)
{
  g_mutex_lock (&journal->buffer_lock);
  for (guint i = 0; i < 2; i++)
    {
      taken->records[i] = journal->sides[i].open;
      taken->held[i] = taken->records[i]->len;
      journal->sides[i].open = g_steal_pointer (&journal->spare[i]);
    }
  taken->current = journal->current;
  taken->position = journal->position;
  g_mutex_unlock (&journal->buffer_lock);
}

/* What couldn't be written comes first again. */
static void
give_back (MossJournal *journal, Taken *taken)
{
  g_mutex_lock (&journal->buffer_lock);
  for (guint i = 0; i < 2; i++)
    {
      GByteArray *since = journal->sides[i].open;

      if (taken->records[i]->len > 0)
        {
          moss_put_bytes (taken->records[i], since->data, since->len);
          journal->sides[i].open = taken->records[i];
          taken->records[i] = since;
          taken->held[i] = since->len;
        }
      empty (&taken->records[i], taken->held[i]);
      journal->spare[i] = taken->records[i];
    }
  g_mutex_unlock (&journal->buffer_lock);
}

static int
write_side (MossJournal *journal,
            Side *side,
            GByteArray *records,
            guint32 needs,
            gboolean durable)
{
  if (side->epoch == 0)
    return 0;
  if (side->failed != 0)
    return side->failed;
  if (!write_records (journal, side, records, needs))
    return errno;
  if (!side->unsynced || !durable)
    return 0;
  if (moss_fault ("journal-sync") || fdatasync (side->fd) < 0)
    return side->failed = EIO;
  side->unsynced = FALSE;
  return 0;
}

static int
write_out (MossJournal *journal, Taken *taken, gboolean durable)
{
  Side *older = &journal->sides[!taken->current];
  Side *newer = &journal->sides[taken->current];
  int number = write_side (journal, older, taken->records[!taken->current], 0,
                           durable);

  if (number != 0)
    return number;
  newer->needs = older->epoch != 0 ? older->frames : 0;
  return write_side (journal, newer, taken->records[taken->current], newer->needs,
                     durable);
}

static gboolean
put_out (MossJournal *journal, guint64 position, gboolean durable, GError **error)
{
  guint64 *reached = durable ? &journal->synced : &journal->written_to;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&journal->write_lock);

  while (*reached < position)
    {
      Taken taken;
      int number;

      if (journal->writing)
        {
          g_cond_wait (&journal->written, &journal->write_lock);
          continue;
        }
      journal->writing = TRUE;
      take_open (journal, &taken);
      g_mutex_unlock (&journal->write_lock);
      number = write_out (journal, &taken, durable);
      give_back (journal, &taken);
      g_mutex_lock (&journal->write_lock);
      journal->writing = FALSE;
      if (number == 0)
        journal->written_to = MAX (journal->written_to, taken.position);
      if (number == 0 && durable)
        journal->synced = taken.position;
      g_cond_broadcast (&journal->written);
      if (number != 0)
        return fail (journal->dir, "written", number, error);
    }
  return TRUE;
}

/**
 * moss_journal_sync:
 * @position: from moss_journal_position(), after the last record that matters
 *
 * Blocks. What couldn't be written is tried again by the next call. After a failed fdatasync
 * nobody can tell what is on the disk: it fails until a commit has made that file needless.
 */
gboolean
moss_journal_sync (MossJournal *journal, guint64 position, GError **error)
{
  return put_out (journal, position, TRUE, error);
}

/* As sync, but only into the file: it survives this process, not the machine. */
gboolean
moss_journal_write (MossJournal *journal, guint64 position, GError **error)
{
  return put_out (journal, position, FALSE, error);
}
