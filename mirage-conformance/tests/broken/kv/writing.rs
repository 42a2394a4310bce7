//! Writing, with the mistakes.

use super::*;

impl Broken {
    /// Passes on a write's result; some mistakes need to know of it.
    fn written<T>(&self, result: Result<T, impl KvError>) -> Answer<T> {
        self.known.set(self.shared.writes.borrow().len());
        if let Err(error) = &result {
            self.conflicts.set(error.kind() == KvErrorKind::Conflict);
        }
        result.map_err(|error| self.wrong(error))
    }

    /// Whether another handle has written since this one last read or wrote.
    fn others_wrote(&self) -> bool {
        self.shared.writes.borrow()[self.known.get()..].iter().any(|number| *number != self.number)
    }

    /// Removes all values on the way to a key, and all within it.
    async fn make_way(&self, key: &Key) {
        for ancestor in key.ancestors() {
            if self.value(&ancestor).await.is_some() {
                self.inner.remove(&ancestor).await.unwrap();
            }
        }
        if !key.is_root() && self.is_dictionary(key).await {
            self.inner.remove(key).await.unwrap();
        }
    }

    /// Whether nothing has that key, nor stands in its way.
    async fn is_free(&self, key: &Key) -> bool {
        for ancestor in key.ancestors() {
            if self.value(&ancestor).await.is_some() {
                return false;
            }
        }
        self.inner.exists(key).await == Ok(None)
    }

    async fn set_polled(&self, key: &Key, value: &[u8]) -> Answer<()> {
        self.before_write(key).await?;
        let result = match self.mistake {
            Some(Mistake::EmptyValueIsNone) if value.is_empty() => self.inner.remove(key).await,
            Some(Mistake::RefusesLongKeys) if key.as_str().len() > 255 => {
                return Err(Wrong(KvErrorKind::NoSpace, format!("{key} is too long")));
            }
            Some(Mistake::RootTakesValues) if key.is_root() => Ok(()),
            Some(Mistake::ValueReplacesDictionary) if !key.is_root() && self.is_dictionary(key).await => {
                self.make_way(key).await;
                self.inner.set(key, value).await
            }
            Some(Mistake::ValueUnderAValue) if !key.is_root() && !self.is_dictionary(key).await => {
                self.make_way(key).await;
                self.inner.set(key, value).await
            }
            Some(Mistake::FullWritesWhatFits) if self.shared.full.get() => {
                let result = self.inner.set(key, value).await;
                if result.is_err() {
                    // One byte fits, where one was.
                    self.inner.set(&Key::new("a").unwrap(), &value[..1]).await.unwrap();
                }
                result
            }
            Some(Mistake::ResolvesBeforeItIsDurable) => {
                match poll_once(self.inner.set(key, value)).await {
                    Some(result) => result,
                    // Wrong arguments are still found; the rest is left to luck.
                    None if self.value(key).await.as_deref() == Some(value) => Ok(()),
                    None => self.inner.set(key, value).await,
                }
            }
            Some(Mistake::DroppedWriteIsHalf) => {
                let mut half = Half(Some((self, key, value)));
                let result = self.inner.set(key, value).await;
                half.0 = None;
                result
            }
            Some(Mistake::WritesThoughInConflict) => {
                let result = self.inner.set(key, value).await;
                if result.as_ref().is_err_and(|error| error.kind() == KvErrorKind::Conflict) {
                    drop(self.inner.get(key).await);
                    self.inner.set(key, value).await.unwrap();
                }
                result
            }
            Some(Mistake::FailedWriteLeavesATrace) => {
                let result = self.inner.set(key, value).await;
                if result.is_err() {
                    self.inner.set(&Key::new("trace").unwrap(), b"").await.unwrap();
                }
                result
            }
            Some(Mistake::AnyWriteConflicts) if self.others_wrote() => {
                return Err(Wrong(KvErrorKind::Conflict, format!("{key} or another has changed")));
            }
            Some(Mistake::AllUnseenConflict) if key.as_str() == "unseen" && self.value(key).await.is_some() => {
                return Err(Wrong(KvErrorKind::Conflict, format!("{key} was not read")));
            }
            Some(Mistake::ConflictsWithItself) if key.as_str() == "a" && self.value(key).await == Some(b"2".into()) => {
                return Err(Wrong(KvErrorKind::Conflict, format!("{key} has changed")));
            }
            _ => self.inner.set(key, value).await,
        };
        self.written(result)
    }
}

/// Writes half of a value when it is dropped.
struct Half<'a>(Option<(&'a Broken, &'a Key, &'a [u8])>);

impl Drop for Half<'_> {
    fn drop(&mut self) {
        if let Some((kv, key, value)) = self.0 {
            let half = &value[..value.len() / 2];
            let mut work = std::pin::pin!(kv.inner.set(key, half));
            let _ = work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        }
    }
}

impl KvRw for Broken {
    fn set(&self, key: &Key, value: &[u8]) -> impl Future<Output = Answer<()>> {
        if self.has(Mistake::WritesWhenCalled) && value == b"never" {
            let mut work = std::pin::pin!(self.inner.set(key, value));
            let _ = work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        }
        self.set_polled(key, value)
    }

    async fn set_partial(&self, key: &Key, offset: u64, bytes: &[u8]) -> Answer<()> {
        self.before_write(key).await?;
        let result = match self.mistake {
            Some(Mistake::PartShrinks) if offset == 0 && self.value(key).await.is_some() => {
                self.inner.set(key, bytes).await
            }
            Some(Mistake::PartLeavesNoGap) if offset < 1_000 => {
                let length = self.value(key).await.map_or(0, |value| value.len());
                self.inner.set_partial(key, offset.min(length as u64), bytes).await
            }
            Some(Mistake::PartNeedsAValue) if self.is_free(key).await => {
                return Err(Wrong(KvErrorKind::NotFound, format!("{key} is nothing")));
            }
            Some(Mistake::PartOfNothingGrows) if bytes.is_empty() => {
                let mut value = self.value(key).await.unwrap_or_default();
                value.resize(value.len().max(offset as usize), 0);
                self.inner.set(key, &value).await
            }
            Some(Mistake::HugePartIsIgnored) if offset > 1 << 40 => Ok(()),
            _ => self.inner.set_partial(key, offset, bytes).await,
        };
        self.written(result)
    }

    async fn update<F>(&self, key: &Key, change: F) -> Answer<Option<Vec<u8>>>
    where
        F: FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> + 'static,
    {
        if !self.has(Mistake::NeverConflicts) {
            self.before_write(key).await?;
        }
        match self.mistake {
            Some(Mistake::UpdateGivesTheOld) => {
                let old = self.value(key).await;
                self.written(self.inner.update(key, change).await)?;
                Ok(old)
            }
            Some(Mistake::UpdateCannotRemove) => {
                let given = self.inner.update(key, |value| Some(change(value).unwrap_or_default())).await;
                self.written(given).map(|given| given.filter(|value| !value.is_empty()))
            }
            Some(Mistake::UpdatesInTwoSteps) => {
                let new = change(self.value(key).await);
                yield_now().await;
                let result = match &new {
                    Some(new) => self.inner.set(key, new).await,
                    None => self.inner.remove(key).await,
                };
                self.written(result)?;
                Ok(new)
            }
            Some(Mistake::UpdateConflicts) => {
                // Finds out whether somebody else has changed it, by a write that changes nothing.
                if let Some(value) = self.value(key).await {
                    self.written(self.inner.set(key, &value).await)?;
                }
                self.written(self.inner.update(key, change).await)
            }
            _ => self.written(self.inner.update(key, change).await),
        }
    }

    async fn remove(&self, key: &Key) -> Answer<()> {
        self.before_write(key).await?;
        match self.mistake {
            Some(Mistake::RemovesWhatBeginsAlike) if !key.is_root() => {
                for other in self.within(&Key::ROOT).await {
                    if other.as_str().starts_with(key.as_str()) {
                        self.inner.remove(&other).await.unwrap();
                    }
                }
            }
            Some(Mistake::RemoveNeedsAKey) if self.inner.exists(key).await == Ok(None) => {
                return Err(Wrong(KvErrorKind::NotFound, format!("{key} is nothing")));
            }
            _ => {}
        }
        let result = self.inner.remove(key).await;
        self.written(result)
    }

    async fn rename(&self, source: &Key, dest: &Key) -> Answer<()> {
        self.before_write(source).await?;
        if self.has(Mistake::NeverConflicts) {
            drop(self.inner.get(dest).await);
        }
        let result = match self.mistake {
            Some(Mistake::RenameToItselfRemoves) if source == dest => self.inner.remove(source).await,
            Some(Mistake::RenameKeepsDest) if source != dest && self.value(dest).await.is_some() => {
                self.inner.remove(source).await
            }
            Some(Mistake::RenameReplacesValues) if self.is_dictionary(source).await => {
                if self.value(dest).await.is_some() {
                    self.inner.remove(dest).await.unwrap();
                }
                self.inner.rename(source, dest).await
            }
            Some(Mistake::RenameMakesItsWay) if !dest.is_within(source) => {
                for ancestor in dest.ancestors() {
                    if self.value(&ancestor).await.is_some() && self.inner.exists(source).await != Ok(None) {
                        self.inner.remove(&ancestor).await.unwrap();
                    }
                }
                self.inner.rename(source, dest).await
            }
            Some(Mistake::FailedRenameLeavesACopy) => {
                let result = self.inner.rename(source, dest).await;
                if result.is_err() {
                    self.inner.set(&Key::new("copy").unwrap(), b"").await.unwrap();
                }
                result
            }
            Some(Mistake::RenameCopies) => {
                let value = self.value(source).await;
                let result = self.inner.rename(source, dest).await;
                if let (Ok(()), Some(value)) = (&result, value) {
                    self.inner.set(source, &value).await.unwrap();
                }
                result
            }
            Some(Mistake::RenamesNothing) if self.inner.exists(source).await == Ok(None) => Ok(()),
            Some(Mistake::RenamesIntoItself) if dest.is_within(source) => Ok(()),
            Some(Mistake::RenameMerges) if self.is_dictionary(dest).await && self.value(source).await.is_some() => {
                self.inner.rename(source, &dest.join(source.as_str()).unwrap()).await
            }
            _ => self.inner.rename(source, dest).await,
        };
        self.written(result)
    }

    async fn batch(&self, changes: &[Change<'_>]) -> Answer<()> {
        let first = changes.first().map_or(Key::ROOT, |change| match change {
            Change::Set(key, _) | Change::Remove(key) => (*key).clone(),
        });
        self.before_write(&first).await?;
        if self.has(Mistake::NeverConflicts) {
            for change in changes {
                let (Change::Set(key, _) | Change::Remove(key)) = change;
                drop(self.inner.get(key).await);
            }
        }
        let backwards: Vec<_> = changes.iter().rev().copied().collect();
        match self.mistake {
            Some(Mistake::RootTakesValues) if first.is_root() => Ok(()),
            Some(Mistake::BatchGoesBackwards) => self.written(self.inner.batch(&backwards).await),
            Some(Mistake::BatchTellsLastError) if !changes.is_empty() => {
                let result = self.inner.batch(changes).await;
                let last = self.inner.batch(&backwards[..1]).await;
                self.written(if result.is_err() { last.and(result) } else { result })
            }
            Some(Mistake::BatchStopsHalfWay | Mistake::BatchCanBeSeenHalf) => {
                // Those that fail as a whole must not be done in part, for the second of the two.
                if self.has(Mistake::BatchCanBeSeenHalf) {
                    let kv = &self.inner;
                    let works = changes.len() < 2 || !changes.iter().any(|change| fails(kv, change));
                    if !works {
                        return self.written(kv.batch(changes).await);
                    }
                }
                for change in changes {
                    self.written(self.inner.batch(&[*change]).await)?;
                }
                Ok(())
            }
            _ => self.written(self.inner.batch(changes).await),
        }
    }
}

/// Whether a change looks like one of those that the suite wants to fail.
fn fails(_: &FakeKv, change: &Change<'_>) -> bool {
    matches!(change, Change::Set(_, b"c" | b"more" | b"some more" | b"half") | Change::Set(_, b"b"))
}
