/** Memory for outputs, outside of the garbage collector's: it only grows, and is used again by the next batch. */
import { given, put } from "./bytes";

/** What an empty array points to: 0 would say that there is no such array. */
const nothing: usize = memory.data(16, 16);

export class Buffer {
  data: usize = 0;
  size: usize = 0;
  private room: usize = 0;

  /** Makes room behind what there is; returns where. */
  grow(more: usize): usize {
    const size = this.size + more;
    if (size > this.room) {
      const room = max(max(this.room * 2, size), 64);
      this.data = this.data ? heap.realloc(this.data, room) : heap.alloc(room);
      this.room = room;
    }
    const end = this.data + this.size;
    this.size = size;
    return end;
  }

  push<T>(item: T): void {
    store<T>(this.grow(sizeof<T>()), item);
  }

  copy(from: usize, size: i32): void {
    memory.copy(this.grow(size), from, size);
  }

  get address(): usize {
    return this.size ? this.data : nothing;
  }
}

/** k byte strings: lengths, -1 for null, and their bytes end to end. */
export class Column {
  lengths: Buffer = new Buffer();
  bytes: Buffer = new Buffer();

  get count(): i32 {
    return <i32>(this.lengths.size >> 2);
  }

  clear(): void {
    this.lengths.size = 0;
    this.bytes.size = 0;
  }

  /** Adds an item by its place; a size of -1 is null. */
  push(from: usize, size: i32): void {
    this.lengths.push<i32>(size);
    if (size > 0) this.bytes.copy(from, size);
  }

  add<T>(item: T): void {
    const size = put(item);
    this.push(given, size);
  }

  /** Adds to the bytes of the last item. */
  extend(from: usize, size: i32): void {
    const length = this.lengths.data + this.lengths.size - 4;
    store<i32>(length, max(load<i32>(length), 0) + size);
    this.bytes.copy(from, size);
  }

  /** Takes the last item back. */
  pop(): void {
    this.lengths.size -= 4;
    const length = load<i32>(this.lengths.data + this.lengths.size);
    if (length > 0) this.bytes.size -= length;
  }

  length(index: i32): i32 {
    return load<i32>(this.lengths.data + (<usize>index << 2));
  }

  /** Takes an item out of the middle; `at` is where its bytes begin. */
  cut(index: i32, at: usize): void {
    const size = <usize>max(this.length(index), 0);
    const bytes = this.bytes.data + at;
    memory.copy(bytes, bytes + size, this.bytes.size - at - size);
    const length = this.lengths.data + (<usize>index << 2);
    memory.copy(length, length + 4, (<usize>(this.count - index - 1)) << 2);
    this.bytes.size -= size;
    this.lengths.size -= 4;
  }

  /** Writes its table of three numbers. */
  describe(table: usize): void {
    store<u32>(table, this.lengths.address);
    store<u32>(table, this.bytes.address, 4);
    store<u32>(table, this.bytes.size, 8);
  }
}
