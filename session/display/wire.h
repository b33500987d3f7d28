// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The viewer wire protocol: types, and the stream that both ends use.
 *
 * The byte table is docs/formats/viewer.md. Plain C without GLib, because pid 1 of a
 * sandbox uses it. A message is a 12 byte header (size, type, n_fds, id) and a body of
 * little-endian words and counted strings. Whatever is read is bounded before it is
 * believed; a broken stream stays broken (moss_wire_failed()).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOSS_WIRE_MAGIC 0x564f4d53u /* "SMOV" as a little-endian word */
#define MOSS_WIRE_VERSION 1
#define MOSS_WIRE_HEADER 12
#define MOSS_WIRE_MAX_MESSAGE 65536
#define MOSS_WIRE_MAX_FDS 4
#define MOSS_WIRE_MAX_STRING 8192
#define MOSS_WIRE_MAX_MIMES 128
#define MOSS_WIRE_MAX_QUEUE (8u * 1024 * 1024) /* bytes waiting for a slow peer */
#define MOSS_WIRE_MAX_QUEUED_FDS 512
#define MOSS_WIRE_MAX_KEYMAP (1024 * 1024)
#define MOSS_WIRE_NONE 0xffffffffu /* instead of a count: there is none */

enum
{
  MOSS_WIRE_ROLE_VIEWER = 1,
  MOSS_WIRE_ROLE_CONTROL = 2,
  /* After WELCOME the socket belongs to the message bus of the apps: no more messages. */
  MOSS_WIRE_ROLE_BUS = 3,
  /* Likewise for the functions that apps ask for. */
  MOSS_WIRE_ROLE_FUNCTIONS = 4,
};

/* To the display. */
enum
{
  MOSS_WIRE_HELLO = 0x01,
  MOSS_WIRE_ACK = 0x02,
  MOSS_WIRE_FRAME_DONE = 0x03,
  MOSS_WIRE_CONFIGURE = 0x04,
  MOSS_WIRE_POPUP_BOUNDS = 0x05,
  MOSS_WIRE_VISIBLE = 0x06,
  MOSS_WIRE_CLOSE = 0x07,
  MOSS_WIRE_DISMISS_POPUPS = 0x08,
  MOSS_WIRE_PING = 0x09,
  MOSS_WIRE_OUTPUT = 0x0a,
  MOSS_WIRE_WORK_AREA = 0x0b,
  MOSS_WIRE_POINTER_MOTION = 0x10,
  MOSS_WIRE_POINTER_LEAVE = 0x11,
  MOSS_WIRE_POINTER_BUTTON = 0x12,
  MOSS_WIRE_POINTER_AXIS = 0x13,
  MOSS_WIRE_POINTER_RELATIVE = 0x14,
  MOSS_WIRE_KEYMAP = 0x18,
  MOSS_WIRE_REPEAT = 0x19,
  MOSS_WIRE_KEY_FOCUS = 0x1a,
  MOSS_WIRE_KEY = 0x1b,
  MOSS_WIRE_MODIFIERS = 0x1c,
  MOSS_WIRE_TOUCH_DOWN = 0x20,
  MOSS_WIRE_TOUCH_MOTION = 0x21,
  MOSS_WIRE_TOUCH_UP = 0x22,
  MOSS_WIRE_TOUCH_CANCEL = 0x23,
  MOSS_WIRE_TEXT_EVENT = 0x28,
  MOSS_WIRE_SET_SELECTION = 0x30,
  MOSS_WIRE_RECEIVE_SELECTION = 0x31,
  MOSS_WIRE_DRAG_TARGET = 0x38,
  MOSS_WIRE_DRAG_RECEIVE = 0x39,
  MOSS_WIRE_DRAG_DROPPED = 0x3a,
  MOSS_WIRE_DRAG_FINISHED = 0x3b,
  MOSS_WIRE_DRAG_CANCEL = 0x3c,
  MOSS_WIRE_DROP_ENTER = 0x40,
  MOSS_WIRE_DROP_MOTION = 0x41,
  MOSS_WIRE_DROP_LEAVE = 0x42,
  MOSS_WIRE_DROP_DROP = 0x43,
  /* from a controller */
  MOSS_WIRE_DETACH = 0x100,
  MOSS_WIRE_SETTING = 0x101,
  MOSS_WIRE_CLOSE_ALL = 0x102,
  MOSS_WIRE_CONTROL_PING = 0x103,
};

/* From the display. */
enum
{
  MOSS_WIRE_WELCOME = 0x201,
  MOSS_WIRE_BYE = 0x202,
  MOSS_WIRE_DONE = 0x203,
  MOSS_WIRE_POOL = 0x210,
  MOSS_WIRE_POOL_GONE = 0x211,
  MOSS_WIRE_SURFACE = 0x220,
  MOSS_WIRE_TOPLEVEL = 0x221,
  MOSS_WIRE_STACK = 0x222,
  MOSS_WIRE_CONTENT = 0x223,
  MOSS_WIRE_SURFACE_GONE = 0x224,
  MOSS_WIRE_INPUT_REGION = 0x225,
  MOSS_WIRE_CURSOR = 0x230,
  MOSS_WIRE_SELECTION = 0x231,
  MOSS_WIRE_SELECTION_SEND = 0x232,
  MOSS_WIRE_DRAG = 0x233,
  MOSS_WIRE_DROP_STATUS = 0x234,
  MOSS_WIRE_DROP_SEND = 0x235,
  MOSS_WIRE_DROP_FINISHED = 0x236,
  MOSS_WIRE_TEXT_INPUT = 0x237,
  MOSS_WIRE_REQUEST = 0x238,
  MOSS_WIRE_POINTER_HELD = 0x239,
  /* to a controller */
  MOSS_WIRE_DETACHED = 0x301,
  MOSS_WIRE_SETTING_DONE = 0x302,
  MOSS_WIRE_CLOSE_ALL_DONE = 0x303,
  MOSS_WIRE_CONTROL_PONG = 0x304,
};

enum
{
  MOSS_WIRE_BYE_REPLACED = 1,
  MOSS_WIRE_BYE_DETACHED = 2,
  MOSS_WIRE_BYE_PROTOCOL = 3,
  MOSS_WIRE_BYE_ENDED = 4,
};

enum
{
  MOSS_WIRE_SURFACE_MAPPED = 1 << 0,
  MOSS_WIRE_SURFACE_GRABS = 1 << 1,
  MOSS_WIRE_SURFACE_WANTS_FRAME = 1 << 2,
  MOSS_WIRE_SURFACE_OPAQUE = 1 << 3,
  MOSS_WIRE_SURFACE_INHIBITS_IDLE = 1 << 4,
  MOSS_WIRE_SURFACE_INHIBITS_SHORTCUTS = 1 << 5,
  MOSS_WIRE_SURFACE_HANGS = 1 << 6,
};

enum
{
  MOSS_WIRE_REQUEST_MOVE = 1,
  MOSS_WIRE_REQUEST_RESIZE = 2,
  MOSS_WIRE_REQUEST_MENU = 3,
  MOSS_WIRE_REQUEST_MINIMIZE = 4,
  MOSS_WIRE_REQUEST_MAXIMIZE = 5,
  MOSS_WIRE_REQUEST_FULLSCREEN = 6,
  MOSS_WIRE_REQUEST_ACTIVATE = 7,
};

enum
{
  MOSS_WIRE_POINTER_FREE = 0,
  MOSS_WIRE_POINTER_LOCKED = 1,
  MOSS_WIRE_POINTER_CONFINED = 2,
};

enum
{
  MOSS_WIRE_CONTENT_NONE = 0,
  MOSS_WIRE_CONTENT_SHM = 1,
  MOSS_WIRE_CONTENT_SOLID = 2,
};

enum
{
  MOSS_WIRE_CURSOR_NAMED = 0,
  MOSS_WIRE_CURSOR_SURFACE = 1,
};

/* ---- reading a body: pure, used by both decoders ------------------------------------- */

typedef struct
{
  uint16_t type;
  uint16_t n_fds;
  uint32_t id;
  const uint8_t *body;
  size_t size, at;
  bool bad; /* something read lay outside of the body or of its bounds */
  int fds[MOSS_WIRE_MAX_FDS]; /* -1: taken or none */
} MossWireMessage;

uint32_t moss_wire_get_u32 (MossWireMessage *message);
int32_t moss_wire_get_i32 (MossWireMessage *message);
/* Points into the body, not terminated; UTF-8 is checked. NULL when bad. */
const char *moss_wire_get_string (MossWireMessage *message, size_t *length);
/* The same as a new terminated string (malloc), or NULL when bad. */
char *moss_wire_dup_string (MossWireMessage *message);
/* A counted list of strings: NULL terminated vector in one malloc block each; NULL with
 * *none when there is no list, NULL otherwise when bad. */
char **moss_wire_dup_strings (MossWireMessage *message, bool *none);
void moss_wire_free_strings (char **strings);
/* The next fd of the message, now the caller's; -1 and bad when there is none. */
int moss_wire_take_fd (MossWireMessage *message);
/* All of the body was read and nothing was bad. */
bool moss_wire_finished (const MossWireMessage *message);
bool moss_wire_utf8 (const char *text, size_t length);

/* ---- the stream ---------------------------------------------------------------------- */

typedef struct _MossWire MossWire;

/* Takes the fd and makes it non-blocking. NULL and errno when out of memory. */
MossWire *moss_wire_new (int fd);
void moss_wire_free (MossWire *wire);
int moss_wire_get_fd (MossWire *wire);
bool moss_wire_failed (MossWire *wire);
size_t moss_wire_queued (MossWire *wire);

/* One message at a time: begin, put..., end. */
void moss_wire_begin (MossWire *wire, uint16_t type, uint32_t id);
void moss_wire_put_u32 (MossWire *wire, uint32_t value);
void moss_wire_put_i32 (MossWire *wire, int32_t value);
void moss_wire_put_string (MossWire *wire, const char *text); /* NULL is "" */
void moss_wire_put_strings (MossWire *wire, const char *const *strings); /* NULL: none */
void moss_wire_put_bytes (MossWire *wire, const void *bytes, size_t size);
void moss_wire_put_fd (MossWire *wire, int fd); /* taken over */
void moss_wire_end (MossWire *wire);

/* Writes what the socket takes. Never blocks, never signals. False when failed. */
bool moss_wire_flush (MossWire *wire);

typedef enum
{
  MOSS_WIRE_READ_MESSAGE,
  MOSS_WIRE_READ_AGAIN,
  MOSS_WIRE_READ_END,
  MOSS_WIRE_READ_BAD,
} MossWireRead;

/* Reads from the socket once (at most 64 KiB). AGAIN also means that something was read:
 * then ask moss_wire_next() until it says AGAIN. */
MossWireRead moss_wire_fill (MossWire *wire);
/* The next whole message in the buffer; it is the stream's and valid until the next call of
 * next, fill or free, which close the fds that were not taken. */
MossWireRead moss_wire_next (MossWire *wire, MossWireMessage **message);
/* For fuzzers: bytes as if read, with fds -1. */
void moss_wire_feed (MossWire *wire, const uint8_t *bytes, size_t size);
