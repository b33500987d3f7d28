// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames between caller, provider and broker: docs/formats/call.md. One frame is one
 * packet of a SOCK_SEQPACKET socket. Not a part of the public interface; the broker uses
 * it too. */
#pragma once

#include "error.h"

G_BEGIN_DECLS

#define MOSS_FFI_FRAME_HEAD 32
#define MOSS_FFI_FRAME_MAX (60 * 1024) /* head included */
#define MOSS_FFI_FRAME_FDS 16

typedef enum
{
  MOSS_FFI_FRAME_CALL = 1,       /* (ssa{sv}aBa{sv}), B = MOSS_FFI_BUFFER_TYPE */
  MOSS_FFI_FRAME_CANCEL = 2,     /* () */
  MOSS_FFI_FRAME_RESULT = 3,     /* (aBa{sv}ta{sv}) */
  MOSS_FFI_FRAME_ERROR = 4,      /* (ss) name, sentence; answers any question */
  MOSS_FFI_FRAME_PROGRESS = 5,   /* (d) */
  MOSS_FFI_FRAME_HELLO = 10,     /* (sa{sv}) */
  MOSS_FFI_FRAME_WELCOME = 11,   /* (ua{sv}) + table */
  MOSS_FFI_FRAME_CONNECT = 12,   /* (u) provider */
  MOSS_FFI_FRAME_CONNECTED = 13, /* (a{sv}) "trusted" b; + socket */
  MOSS_FFI_FRAME_REPORT = 14,    /* (uttttu) */
  MOSS_FFI_FRAME_ASK = 15,       /* (sa{sv}) */
  MOSS_FFI_FRAME_ANSWER = 16,    /* (aa{sv}) */
  MOSS_FFI_FRAME_BEGIN = 17,     /* (stu) */
  MOSS_FFI_FRAME_END = 18,       /* () */
  MOSS_FFI_FRAME_TABLE = 19,     /* () + table */
  MOSS_FFI_FRAME_ANNOUNCE = 20,  /* (a{sv}aa{sv}) */
  MOSS_FFI_FRAME_ANNOUNCED = 21, /* (au) */
  MOSS_FFI_FRAME_WITHDRAW = 22,  /* (au) */
  MOSS_FFI_FRAME_CALLER = 23,    /* (a{sv}) "trusted" b, "name" s; + socket */
} MossFfiFrameKind;

/* Outcomes in a REPORT. */
typedef enum
{
  MOSS_FFI_OUTCOME_DONE,      /* run and whole times count */
  MOSS_FFI_OUTCOME_FAILED,    /* the function said no */
  MOSS_FFI_OUTCOME_LOST,      /* it died or hung up */
  MOSS_FFI_OUTCOME_KILLED,    /* given up after whole_us: it takes longer than that */
  MOSS_FFI_OUTCOME_WRONG,     /* its answer was not what it had promised */
  MOSS_FFI_OUTCOME_CANCELLED, /* says nothing about the provider */
} MossFfiOutcome;

typedef struct
{
  MossFfiFrameKind kind;
  guint16 flags;
  guint64 serial;
  GVariant *body; /* normal form, of the type of the kind */
  int fds[MOSS_FFI_FRAME_FDS];
  guint n_fds;
} MossFfiFrame;

void moss_ffi_frame_clear (MossFfiFrame *frame);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossFfiFrame, moss_ffi_frame_clear)

const GVariantType *moss_ffi_frame_type (guint kind);
GBytes *moss_ffi_frame_write (
    MossFfiFrameKind kind, guint64 serial, GVariant *body, guint n_fds, GError **error);
gboolean moss_ffi_frame_read (
    const guint8 *packet, gsize length, guint n_fds, MossFfiFrame *frame, GError **error);
gboolean moss_ffi_frame_send (int socket,
                              MossFfiFrameKind kind,
                              guint64 serial,
                              GVariant *body,
                              const int *fds,
                              guint n_fds,
                              GError **error);
gboolean moss_ffi_frame_receive (int socket, MossFfiFrame *frame, GError **error);
int moss_ffi_frame_take_fd (MossFfiFrame *frame, guint index);
gboolean moss_ffi_socket_pair (int ends[2], GError **error);

G_END_DECLS
