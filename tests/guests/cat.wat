;; A program that writes what it reads. Where that begins with X it exits with code 3, with L it never ends.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (local $from i32) (local $left i32)
    (loop $again
      (i32.store (i32.const 0) (i32.const 1024)) ;; the piece: where, and how much
      (i32.store (i32.const 4) (i32.const 65536))
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (local.set $left (i32.load (i32.const 8)))
      (if (i32.eqz (local.get $left)) (then (call $exit (i32.const 0))))
      (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 0x58)) (then (call $exit (i32.const 3))))
      (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 0x4c)) (then (loop $ever (br $ever))))
      (local.set $from (i32.const 1024))
      (loop $rest
        (i32.store (i32.const 0) (local.get $from))
        (i32.store (i32.const 4) (local.get $left))
        (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
        (local.set $from (i32.add (local.get $from) (i32.load (i32.const 8))))
        (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
        (br_if $rest (local.get $left)))
      (br $again))))
