;; Uses WASI as the first letter of the first value says:
;;
;;   x  exits with code 7                  fault, trap: "the guest ended itself with exit code 7"
;;   s  sleeps for ten seconds             fault, timeout
;;   p  prints on standard error, traps    fault, trap, with what was printed
;;   a  one value: what 14 calls answered, a byte each, in the order of the code below
;;
;; Memory: outputs at 1024, origins at 2048, lengths at 2056, answers at 3000; WASI's arguments from 4096; the input buffer
;; from 1 MiB.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 17)
  (data (i32.const 4400) "from the guest")
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x100000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0x10000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))

  (global $at (mut i32) (i32.const 3000))
  (func $answer (param i32)
    (i32.store8 (global.get $at) (local.get 0))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))

  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $letter i32)
    (local.set $letter (i32.load8_u (i32.load offset=40 (local.get $batch))))
    (if (i32.eq (local.get $letter) (i32.const 0x78)) (then (call $exit (i32.const 7))))
    (if (i32.eq (local.get $letter) (i32.const 0x73)) ;; s: one subscription, to the steady clock
      (then
        (i32.store (i32.const 4112) (i32.const 1))
        (i64.store (i32.const 4120) (i64.const 10000000000))
        (drop (call $poll (i32.const 4096) (i32.const 4200) (i32.const 1) (i32.const 4300)))))
    (i32.store (i32.const 4304) (i32.const 4400)) ;; one piece, for reads and writes
    (i32.store (i32.const 4308) (i32.const 14))
    (if (i32.eq (local.get $letter) (i32.const 0x70))
      (then (drop (call $write (i32.const 2) (i32.const 4304) (i32.const 1) (i32.const 4300))) unreachable))

    (global.set $at (i32.const 3000))
    (call $answer (call $prestat (i32.const 3) (i32.const 4500)))                                 ;; no folder: 8
    (call $answer (call $open (i32.const 3) (i32.const 0) (i32.const 4400) (i32.const 4) (i32.const 0)
      (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 4500)))                                ;; none to open in: 8
    (call $answer (call $random (i32.const 4500) (i32.const 16)))                                 ;; 0
    (call $answer (call $random (i32.const 0xfffffff0) (i32.const 32)))                           ;; outside: 21
    (call $answer (call $random (i32.const 0) (i32.const 0x100001)))                              ;; too much: 28
    (call $answer (call $clock (i32.const 0) (i64.const 1) (i32.const 4500)))                     ;; 0
    (call $answer (call $clock (i32.const 9) (i64.const 1) (i32.const 4500)))                     ;; no such clock: 28
    (call $answer (call $environ (i32.const 4500) (i32.const 4504)))                              ;; 0
    (call $answer (i32.load (i32.const 4500)))                                                    ;; variables: 0
    (drop (call $args (i32.const 4500) (i32.const 4504)))
    (call $answer (i32.load (i32.const 4500)))                                                    ;; arguments: 1
    (call $answer (call $read (i32.const 0) (i32.const 4304) (i32.const 1) (i32.const 4500)))     ;; 0
    (call $answer (i32.load (i32.const 4500)))                                                    ;; bytes read: 0
    (call $answer (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 4500)))        ;; 70
    (call $answer (call $send (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4500))) ;; 8

    (i32.store (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1028) (i32.const 2048))
    (i32.store (i32.const 1048) (i32.const 2056)) ;; values: lengths, data, size
    (i32.store (i32.const 1052) (i32.const 3000))
    (i32.store (i32.const 1056) (i32.const 14))
    (i32.store (i32.const 2056) (i32.const 14))
    (i32.const 1024)))
