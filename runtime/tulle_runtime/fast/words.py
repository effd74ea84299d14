"""Where everything lies in the engine's flat arrays: indices of words within records, and small enumerations.

numba compiles these module constants in. All records are int32 words unless said otherwise.
"""

# --- A channel and, when a router consumes it, its route entry: 16 words, then the ring, then outputs 1, 2, ... ---
# A slot of the ring is two words: the 32 bits of a wavelet and the cycle from which it is visible, or, while the slot
# is free, the cycle of the pop that freed it. Channels joined by entries that nothing can hinder are one channel here
# (chains.py); its words say what the whole chain does.
COUNT = 0  # slots in use
HEAD = 1  # index of the head's slot in the channel array
TAIL = 2  # index of the slot to be filled next
CAPACITY = 3  # wavelets; from bit RANK_SHIFT on which of its router's entries the entry is
LATENCY = 4
CREDIT = 5  # cycles from a pop until the space it gives is seen by the producer; also crossings per wavelet
HOPS = 6  # hops per wavelet
LAST_POP = 7  # cycle, -1 for never
CONSUMER = 8  # entity to wake when the head becomes visible, or ELSEWHERE
PRODUCER = 9  # 2 * the entity that fills the channel, + 1 if it is to be woken when the full channel gains space; or
# -1 - the other end's address (mail.py) if another worker's entity does
FEEDER = 10  # channel whose entry fills this one; NO_FEEDER: a compute engine, the host or another worker does
SILENT = 11  # while empty: no wavelet that is not yet there is visible before this cycle
ADDRESS = 11  # of a channel consumed elsewhere: the address of its other end
OUT = 12  # channel that the first output (in the order N, E, S, W, RAMP) leads to
TREE = 13  # its tree
DEPTH = 14  # cycles from a push by the tree's source to here, at least
GROWTH = 15  # by how many wavelets an advance of the entry adds to the tree's channels in front of routers
RING = 16
NO_FEEDER = -1
ELSEWHERE = (1 << 31) - 1  # the consumer is another worker's
NEVER = -(1 << 30)  # stands for the pop of a slot that was never used
RANK_SHIFT = 24
CAPACITY_MASK = (1 << RANK_SHIFT) - 1

OUT_DROP = -1  # over the edge, where nobody listens
OUT_NEVER = -2  # nowhere: never has space
OUT_HOST = -3  # host output port p is OUT_HOST - p

# --- Trees [trees, TREE_WORDS]: the channels that one source, an up-ramp or a host port, fills ---
INFLIGHT = 0  # wavelets in channels that routers consume
SOURCE = 1  # the source's PE, or FROM_HOST - its port, or NOWHERE, or ABROAD: with another worker
FIRST = 2  # the channel that the source fills
BOUND = 3  # no push of the source before this cycle
ASKED = 4  # of a source ABROAD: it is not asked for its bound before this cycle
TREE_WORDS = 5
NOWHERE, ABROAD, FROM_HOST = -1, -2, -3

# --- A PE: header, then queues (channel bases), tasks (2 words), registers, threads ---
STATE = 0
PC = 1  # next instruction: index of its first word in the code
TASK = 2  # running task or -1
DEFER = 3  # row of the main instruction whose effect is still to come, or -1
SINCE = 4  # first cycle of main's wait
ACTIVE = 5  # bit k: microthread k is active
START = 6  # 1 until tasks on start are activated
CLASS = 7  # index of its first word in the class table
SRAM = 8  # first byte / 16
EXTENT = 9  # bytes
DOOM = 10  # kind of the fault that the main instruction ends with, or 0
HOLD = 11  # while WAITING: main waits at least until these microthreads (bits) are idle
ARRIVED = 12  # the sparse wavelet whose AXPYs are under way
CLOCK = 13  # the next cycle to be looked at
AHEAD = 14  # what its inputs hold is known for so many cycles after the present one
AGAIN = 15  # during an event: the next cycle, of those known, in which something may happen of itself; or NO_MORE
PE_HEADER = 16
NO_MORE = (1 << 31) - 1

IDLE, READY, WAITING, BUSY, SYNC, POPPING, PUSHING, ARRIVING = range(
    8
)  # of STATE; up to WAITING main looks for something to do

FLAGS, FLAG_SINCE, TASK_WORDS = 0, 1, 2
ACTIVATED, BLOCKED = 1, 2

T_ROW = 0  # instruction
T_A = 1  # byte addresses of element (0, 0)
T_B = 2
T_D = 3
T_I = 4  # next element
T_J = 5
T_N0 = 6
T_N1 = 7
T_SINCE = 8
T_SRC = 9  # channel base or NO_QUEUE
T_DST = 10
THREAD_WORDS = 11
NO_QUEUE = -1  # the instruction has no such operand
NO_ROUTE = -2  # the queue's color has no entry: never ready

# --- Class table [classes, CLASS_WORDS]: offsets within a PE record, and what the code needs ---
(C_QUEUES, C_TASKS, C_REGISTERS, C_THREADS, C_THREAD_COUNT, C_TASK_COUNT, C_FIRST_TASK, C_SIZE, C_INPUTS,
 C_WAKERS, CLASS_WORDS) = range(11)  # fmt: skip
# C_INPUTS: queues (bits) that are inputs, C_WAKERS: those that start tasks
# --- Host input ports ---
P_BASE, P_NEXT, P_END, P_LAST, PORT_WORDS = range(5)  # channel, next and end in the feed, last push
# --- Task table [tasks, TASK_TABLE_WORDS] ---
K_ENTRY, K_QUEUE, K_START, TASK_TABLE_WORDS = range(4)

# --- Counters [PEs, N_WORDS] int64 ---
(N_SLOTS, N_DONE, N_LAST, N_FROM, N_KIND, N_RECEIVED, N_SENT, N_PASSED,
 N_COST, N_COST_OF, N_CONTROL_SLOTS, N_AXPY_SLOTS, N_VECTOR_SLOTS, N_AXPYS_COMING, N_AXPYS, N_MACS_COMING,
 N_MACS, N_BLOCKED, N_EPOCH, N_DOUBT_BLOCKED, N_DOUBT_WAITING, N_DOUBT_QUEUE, N_FIRST, N_ARRIVED,
 N_SKIPPED) = range(25)  # fmt: skip
N_WORDS = 32  # four cache lines, what is needed most in the first
# N_ARRIVED: AXPYs so far of the running instruction that sparse wavelets trigger; N_SKIPPED: those saved by zeros.
# N_COST: slots of the main instruction in progress, and the counter (N_*_SLOTS) that they go to when it ends.
# N_DONE: first cycle after the slots of the main instruction in progress (while BUSY).
# N_FROM: first cycle not yet counted as idle time, N_KIND: as what it will count; N_*_COMING: at the instruction's end.
# N_DOUBT_*: counted after cycle N_EPOCH, which does not count if that turns out to be the last cycle of the run.
NOTHING, BLOCKS, WAITS = range(3)  # WAITS + q: for input queue q, or for the next task if that is G_QUEUES

# --- Globals int64 ---
(G_TIME, G_LAST, G_HOPS, G_CROSSINGS, G_FAULT, G_FAULT_PE, G_LOG, G_FAR, G_ROUTERS, G_PES, G_ENTITIES, G_LAUNCH,
 G_DISPATCH, G_ISSUE, G_ROW, G_AXPY_ISSUE, G_AXPY_ENTRY, G_LOAD, G_BRANCH, G_DIVIDE, G_BANK, G_GROUPS, G_OUT_LINKS,
 G_EVENTS, G_LATEST, G_PROBE, G_LOG_SIZE, G_QUEUES, G_AHEAD, G_WORKER, G_WORKERS, G_MEETINGS, G_WOKEN,
 G_FULL, G_FAR_NEXT, G_EARLY, G_STOP, G_WORDS) = range(38)  # fmt: skip
# G_LAST: last cycle with a slot or a movement so far known. G_LATEST: cycle that the run must not begin (limit);
# with G_PROBE it goes on until the first slot or movement from there on. G_TIME: the present cycle.
# G_AHEAD: cycles that an entity may go ahead of it. G_ENTITIES: of this worker. G_EVENTS: entities woken by it,
# G_WOKEN: by all, as far as known. G_MEETINGS: how often the workers have met (mail.py). G_FULL: 1 if the log of one of
# them may not take a cycle. G_FAR_NEXT: when the first far event is, 0 if that is not known. G_EARLY: 1 while mail may
# yet come that was sent before the present cycle (meeting.py). G_STOP: 1 if all know of a fault.

# --- Sparse wavelets ---
END_MARK = 0xFFFF  # index
ROW, SET = 0x7FFF, 0x8000  # a row index, and the mark of the first entry of its row

# --- AXPYs ---
WIDE = 256  # elements that fit into Machine.row

# --- Faults ---
OUT_OF_BOUNDS, QUEUE_VIOLATION, DIVISION_BY_ZERO, BAD_COLUMN = range(1, 5)
FAULT_KINDS = ("", "out of bounds", "queue violation", "division by zero", "column out of table")

# --- How a slice of the loop ends ---
MORE, QUIET, LIMIT, FAULT, LOG_FULL, LEFT = range(6)  # LEFT: another worker is gone

# --- Routers [routers, ROUTER_WORDS]: first entry; which entries' channels (bits, by rank) hold wavelets ---
Q_FIRST, Q_FILLED, ROUTER_WORDS = range(3)
# --- Their entries: channel, output mask, which other entries of the router (bits) share an output with it ---
E_BASE, E_MASK, E_RIVALS, ENTRY_WORDS = range(4)
NOBODY = 31  # rank of channels that a router is woken for although it does not consume them
LINE = 16  # words in a cache line; channels begin at such multiples

# --- Workers: what each says at a meeting [workers, 2, MEETING_WORDS] int64; a message [MESSAGE_WORDS] (mail.py) ---
(S_MEETING, S_NEXT, S_LAST, S_WOKEN, S_FAULT, S_FULL) = range(6)
MEETING_WORDS = 16  # two cache lines: neighbors do not disturb each other
M_TO, M_VALUE, M_TIME, MESSAGE_WORDS = range(4)  # M_TO: a channel's base, plus what to do
PUSH_THERE, POP_THERE, ASK, TELL = range(4)
MAILED_WORDS = 16  # one counter and nothing beside it
BOXES = 3  # for the mail of a cycle each, in turn
MOST_WORKERS = LINE  # channels begin at multiples of LINE, which leaves so many numbers

# --- The timing wheel: near events in NEAR buckets of entities, far ones in FAR lists ---
NEAR = 32
MOST_AHEAD = 16  # cycles that an entity may go ahead of the present one
FAR = 8192

# --- Code rows [rows, ROW_WORDS]; a row is named by the index of its first word ---
(R_KIND, R_OP, R_THREAD, R_THEN, R_WIDTH, R_PER, R_N0, R_N0_VALUE, R_N1, R_N1_VALUE, R_AUX, R_TARGET) = range(12)
R_D, R_A, R_B = 12, 22, 32  # operands, 10 words each
R_SOURCE, R_SINK, R_TYPE, R_SHAPE = 42, 43, 44, 45  # queue in, queue out, element type of the fabric; R_SHAPE: hot path
R_INDEX = 46  # the target's number of the queue in
ROW_WORDS = 48
O_KIND, O_TYPE, O_BASE, O_REG1, O_PER1, O_REG2, O_PER2, O_S0, O_S1, O_BITS = range(10)
NONE, MEMORY, QUEUE, IMMEDIATE, SPARSE = range(5)  # of O_KIND; SPARSE: a queue, the offset is the index of row 0
F16, F32, I32, U16 = range(4)
B_TYPE, B_PTR, B_ROW, B_VALUE, B_COLUMNS = 33, 34, 35, 36, 37  # of an AXPY's table, in place of operand b

(STOP, VECTOR, VECTOR_SYNC, VECTOR_ASYNC, AXPY, COMPUTE, LOAD, STORE, POP, PUSH, AWAIT, LOOP, NEXT, BRANCH, JUMP,
 CONTROL, AXPY_COLUMNS, AXPY_ENTRIES) = range(18)  # fmt: skip
MOV, ADD, SUB, MUL, FMA, MAX, MIN, EXP, TANH, ERF, RECIP, RSQRT = range(12)
(S_MOV, S_ADD, S_SUB, S_MUL, S_AND, S_OR, S_SHL, S_SHR, S_MIN, S_MAX, S_DIV, S_MOD) = range(12)
EQ, NE, LT, LE, GT, GE = range(6)
ACTIVATE, BLOCK, UNBLOCK = range(3)
