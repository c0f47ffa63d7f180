;; A Redpanda data transform of ABI 2. The first letter of a record's value says what it does; a record with a key, or without a
;; value, is copied. An answer of the host's is told as a record of one letter: 0 for 0, 1 for -1, and so on.
(module
  (import "redpanda_transform" "check_abi_version_2" (func $abi))
  (import "redpanda_transform" "read_batch_header"
    (func $batch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "redpanda_transform" "read_next_record" (func $record (param i32 i32 i32 i32 i32) (result i32)))
  (import "redpanda_transform" "write_record" (func $write (param i32 i32) (result i32)))
  (import "redpanda_transform" "write_record_with_options" (func $send (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 96) "\01\02?\00")
  (data (i32.const 112) "\01\1088888888\00")
  (data (i32.const 128) "\01\08late")
  (data (i32.const 136) "\01\08none")
  (data (i32.const 144) "\01\06out")
  (data (i32.const 152) "\02")
  (data (i32.const 160) "\01\7e")
  (data (i32.const 168) "\01\06out\01\06out")
  ;; what writing before the loop, and reading into too little room, was answered
  (global $early (mut i32) (i32.const 0))
  (global $small (mut i32) (i32.const 0))
  (global $seen (mut i32) (i32.const 0))
  (global $size (mut i32) (i32.const 0))

  (func $answer (param $code i32)
    (i32.store8 (i32.const 98) (i32.sub (i32.const 48) (local.get $code)))
    (drop (call $write (i32.const 96) (i32.const 4))))

  (func $number (param $number i64)
    (i64.store (i32.const 114) (local.get $number))
    (drop (call $write (i32.const 112) (i32.const 11))))

  (func $is (param $letter i32) (result i32)
    (i32.eq (i32.load8_u (i32.const 1026)) (local.get $letter)))

  (func $copy (drop (call $write (i32.const 1024) (global.get $size))))

  ;; sends the record with the options at an address, and tells the answer where it is none
  (func $to (param $at i32) (param $length i32)
    (local $code i32)
    (local.set $code (call $send (i32.const 1024) (global.get $size) (local.get $at) (local.get $length)))
    (if (i32.lt_s (local.get $code) (i32.const 0)) (then (call $answer (local.get $code)))))

  (func $do
    (local $left i32)
    (if (call $is (i32.const 0x64)) (then return)) ;; d: drop
    (if (call $is (i32.const 0x74)) (then (call $copy) unreachable)) ;; t: write, and trap
    (if (call $is (i32.const 0x6c)) (then (call $copy) (loop $again (br $again)))) ;; l: loop
    (if (call $is (i32.const 0x78)) (then (call $copy) (call $exit (i32.const 0)))) ;; x: exit with 0
    (if (call $is (i32.const 0x67)) (then ;; g: grow, without an end
      (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable))
    (if (call $is (i32.const 0x77)) (then (call $to (i32.const 128) (i32.const 6)) return)) ;; w: to late
    (if (call $is (i32.const 0x57)) (then (call $to (i32.const 136) (i32.const 6)) return)) ;; W: to none
    (if (call $is (i32.const 0x6f)) (then (call $to (i32.const 144) (i32.const 5)) return)) ;; o: to out
    (if (call $is (i32.const 0x65)) (then (call $to (i32.const 0) (i32.const 0)) return)) ;; e: without options
    (if (call $is (i32.const 0x6b)) (then (call $to (i32.const 152) (i32.const 1)) return)) ;; k: an unknown option
    (if (call $is (i32.const 0x4b)) (then (call $to (i32.const 168) (i32.const 10)) return)) ;; K: an option twice
    (if (call $is (i32.const 0x6e)) (then (call $to (i32.const 160) (i32.const 2)) return)) ;; n: an endless name
    (if (call $is (i32.const 0x6d)) (then (call $answer (call $write (i32.const 1024) (i32.const 2))) return)) ;; m: malformed
    (if (call $is (i32.const 0x75)) (then (call $copy) (drop (call $write (i32.const -8) (i32.const 9))) return)) ;; u: outside
    (if (call $is (i32.const 0x66)) (then (call $answer (global.get $early)) return)) ;; f: what was answered first
    (if (call $is (i32.const 0x73)) (then (call $answer (global.get $small)) return)) ;; s: what too little room was
    (if (call $is (i32.const 0x61)) (then (call $answer (i32.sub (i32.const 0) (global.get $seen))) return)) ;; a: records so far
    (if (call $is (i32.const 0x7a)) (then ;; z: works for a millisecond or so, and tells the records so far
      (local.set $left (i32.const 2000000))
      (loop $busy (br_if $busy (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (call $number (i64.extend_i32_u (global.get $seen)))
      return))
    (if (call $is (i32.const 0x54)) (then ;; T: the time of day, and of the record
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 88)))
      (call $number (i64.load (i32.const 88)))
      (call $number (i64.load (i32.const 72)))
      return))
    (if (call $is (i32.const 0x48)) (then ;; H: what the header of the batch says
      (call $number (i64.load (i32.const 0)))
      (call $number (i64.extend_i32_s (i32.load (i32.const 8))))
      (call $number (i64.extend_i32_s (i32.load (i32.const 20))))
      (call $number (i64.load (i32.const 24)))
      (call $number (i64.load (i32.const 32)))
      (call $number (i64.load (i32.const 40)))
      (call $number (i64.extend_i32_s (i32.load (i32.const 12))))
      (call $number (i64.load16_s (i32.const 16)))
      (call $number (i64.load16_s (i32.const 48)))
      (call $number (i64.extend_i32_s (i32.load (i32.const 52))))
      return))
    (if (call $is (i32.const 0x32)) (then (call $copy))) ;; 2: twice
    (call $copy))

  (func (export "_start")
    (local $left i32)
    (call $abi)
    (global.set $early (call $write (i32.const 96) (i32.const 4)))
    (loop $batches
      (drop (call $batch (i32.const 0) (i32.const 8) (i32.const 12) (i32.const 16) (i32.const 20) (i32.const 24)
        (i32.const 32) (i32.const 40) (i32.const 48) (i32.const 52)))
      (local.set $left (i32.load (i32.const 8)))
      (loop $records
        (global.set $small (call $record (i32.const 64) (i32.const 72) (i32.const 80) (i32.const 1024) (i32.const 2)))
        (global.set $size (call $record (i32.const 64) (i32.const 72) (i32.const 80) (i32.const 1024) (i32.const 65536)))
        (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (if (i32.and
              (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 1))
              (i32.gt_u (i32.load8_u (i32.const 1025)) (i32.const 1)))
          (then
            (if (call $is (i32.const 0x72)) (then return)) ;; r: return from main
            (if (call $is (i32.const 0x62)) (then (call $copy) (br $batches))) ;; b: the next batch, at once
            (call $do))
          (else (call $copy)))
        (br_if $records (i32.gt_s (local.get $left) (i32.const 0))))
      (br $batches))))
